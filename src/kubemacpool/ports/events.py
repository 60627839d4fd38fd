"""Events: what a person sees below `kubectl describe` of an object of theirs."""

from typing import NamedTuple, Protocol


class Regarding(NamedTuple):
    """The object that an Event is about; `namespace` is empty for kinds that have none, `uid` where it is not known."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Events(Protocol):
    """Warnings for people. Losing one is no failure: nothing that the pool decides depends on them."""

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Tells of something that a person should look at. Returns at once and never fails.

        The same thing told again within some minutes is counted, not repeated.

        Args:
            regarding: the object in question.
            reason: one word in CamelCase, such as InvalidRange.
            message: one sentence; cut at 1024 bytes.
        """
        ...
