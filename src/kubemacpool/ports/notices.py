"""Telling people in the cluster that one of their objects needs them."""

from typing import NamedTuple, Protocol


class Regarding(NamedTuple):
    """The object that a notice is about; it may be gone, then its uid may be empty."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str


class Notices(Protocol):
    """Takes notices to be delivered as Events. Returns at once: delivery is somebody else's patience."""

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Put a Warning on an object.

        Args:
            regarding: the object.
            reason: one word in UpperCamelCase, for machines.
            message: what is wrong and what to do, for people.
        """
        ...
