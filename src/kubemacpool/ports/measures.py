"""What the services tell of their work, in figures."""

from typing import Literal, Protocol

Outcome = Literal["untouched", "granted", "refused", "invalid", "exhausted", "unavailable", "malformed"]
"""How an admission ended: nothing to do; addresses granted; an address refused; the user's annotation wrong; pool full;
nobody could decide; not a review at all."""


Forwarding = Literal["answered", "misdirected", "failed"]
"""How the handing on of a review ended: the decider answered; the other replica does not decide; nobody was reached."""


class Measures(Protocol):
    """Takes figures as they arise. Must be cheap: it is called inside admissions."""

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered, this long after its body had been read."""
        ...

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was handed to the replica that decides."""
        ...

    def range_judged(self, *, valid: bool) -> None:
        """The range in the ConfigMap was read, and is in force or not."""
        ...

    def unreadable(self, kind: str) -> None:
        """An object of this kind could not be read, and was passed over."""
        ...

    def event_dropped(self, reason: str) -> None:
        """An Event with this reason was not written, because there are too many."""
        ...

    def set_aside(self, kind: str, objects: int) -> None:
        """So many objects of this kind are set aside now, because taking them in failed."""
        ...

    def task_restarted(self, task: str) -> None:
        """A task that goes on for as long as the process lives has failed, and was started again."""
        ...
