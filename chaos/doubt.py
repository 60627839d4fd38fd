"""Which addresses were in doubt, and since when: from the Lease as each new leader found it. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

# Addresses that the Lease lists at most (docs/architecture.md, rule 1).
MOST_RESERVED = 10_000


class Span(NamedTuple):
    """Neighbouring addresses, both ends included."""

    first: int
    last: int


class Acquisition(NamedTuple):
    """A new leader, and the addresses that the Lease listed then."""

    at: float
    reserved: tuple[Span, ...]


class Doubt:
    """Every acquisition so far.

    A new leader does not know what became of the addresses that the Lease lists: until the in-flight bound has passed
    it allocates them to nobody who asks for them, and whoever takes over from it meanwhile has to begin to wait anew.
    """

    def __init__(self, bound: float) -> None:
        """Begin with no acquisition.

        Args:
            bound: the in-flight bound, in seconds, with what it may take to be sure that it has passed.
        """
        self._bound = bound
        self._acquisitions: list[Acquisition] = []
        self._transitions = -1

    def learn(self, transitions: int, holder: str, reserved: str, now: float) -> None:
        """Take note of the Lease, as it is now.

        Args:
            transitions: how often it has changed hands.
            holder: whose it is.
            reserved: its annotation of reserved addresses.
            now: on the monotonic clock.
        """
        if holder and transitions > self._transitions:
            if self._transitions >= 0:
                self._acquisitions.append(Acquisition(now, _spans(reserved)))
            self._transitions = transitions

    def since(self, address: str, sent: float, answered: float) -> float | None:
        """Since when the address was in doubt while a create asked for it; None if it was not."""
        number = _number(address)
        begun = ended = -math.inf
        for acquisition in self._acquisitions:
            if any(span.first <= number <= span.last for span in acquisition.reserved):
                if acquisition.at > ended:
                    begun = acquisition.at
                ended = acquisition.at + self._bound
            if begun <= answered and sent <= ended:
                return begun
        return None

    def crowded_since(self, sent: float, answered: float) -> float | None:
        """Since when more than half of the Lease was for what earlier leaders had allocated; None if not."""
        for acquisition in reversed(self._acquisitions):
            if acquisition.at <= answered and sent <= acquisition.at + self._bound:
                count = sum(span.last - span.first + 1 for span in acquisition.reserved)
                if count > MOST_RESERVED / 2:
                    return acquisition.at
        return None


def _spans(reserved: str) -> tuple[Span, ...]:
    parts = (part.partition("-") for part in reserved.split(",") if part)
    return tuple(Span(_number(first), _number(last or first)) for first, _, last in parts)


def _number(address: str) -> int:
    return int(address.replace(":", ""), 16)
