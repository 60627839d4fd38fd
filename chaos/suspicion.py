"""Which addresses were suspect, and since when: from the Lease as each new decider found it. Pure."""

from __future__ import annotations

import math
from typing import NamedTuple

# Addresses that the Lease names at most (docs/architecture.md, rule 1).
MOST_NAMED = 10_000


class Span(NamedTuple):
    """Neighbouring addresses, both ends included."""

    first: int
    last: int


class Takeover(NamedTuple):
    """A new decider, and the addresses that the Lease named then."""

    at: float
    named: tuple[Span, ...]


class Suspicion:
    """Every takeover so far.

    A new decider does not know what became of the addresses that the Lease names: until the in-flight bound has passed
    it grants them to nobody who asks for them, and whoever takes over from it meanwhile has to begin to wait anew.
    """

    def __init__(self, bound: float) -> None:
        """Begin with no takeover.

        Args:
            bound: the in-flight bound, in seconds, with what it may take to be sure that it has passed.
        """
        self._bound = bound
        self._takeovers: list[Takeover] = []
        self._term = -1

    def learn(self, term: int, holder: str, named: str, now: float) -> None:
        """Take note of the Lease, as it is now.

        Args:
            term: how often it has changed hands.
            holder: whose it is.
            named: its annotation of open addresses.
            now: on the monotonic clock.
        """
        if holder and term > self._term:
            if self._term >= 0:
                self._takeovers.append(Takeover(now, _spans(named)))
            self._term = term

    def since(self, address: str, sent: float, answered: float) -> float | None:
        """Since when the address was suspect while a create asked for it; None if it was not."""
        number = _number(address)
        begun = ended = -math.inf
        for takeover in self._takeovers:
            if any(span.first <= number <= span.last for span in takeover.named):
                if takeover.at > ended:
                    begun = takeover.at
                ended = takeover.at + self._bound
            if begun <= answered and sent <= ended:
                return begun
        return None

    def crowded_since(self, sent: float, answered: float) -> float | None:
        """Since when more than half of the room in the Lease was for what earlier deciders had granted; None if not."""
        for takeover in reversed(self._takeovers):
            if takeover.at <= answered and sent <= takeover.at + self._bound:
                count = sum(span.last - span.first + 1 for span in takeover.named)
                if count > MOST_NAMED / 2:
                    return takeover.at
        return None


def _spans(named: str) -> tuple[Span, ...]:
    parts = (part.partition("-") for part in named.split(",") if part)
    return tuple(Span(_number(first), _number(last or first)) for first, _, last in parts)


def _number(address: str) -> int:
    return int(address.replace(":", ""), 16)
