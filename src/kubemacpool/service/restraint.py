"""Writing what somebody else may keep undoing: at once where that is rare, and ever rarer where it is not."""

import random
from typing import Final

from kubemacpool.ports.clock import Clock
from kubemacpool.service.backoff import Backoff

FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 5.0
"""After seven writes in a row: then a replica writes each 4 s or so, which an API server does not notice, and whoever
stops undoing it is not waited for longer."""

CALM_SECONDS: Final = 60.0
"""Without a write: the next one counts as the first. Tools that undo do so within seconds, or each few minutes."""

SUSPICIOUS: Final = 4
"""Writes without such a calm. One mends a mishap; two or three, what several replicas began at the same time."""


class Restraint:
    """When the next write is due."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._backoff = Backoff(FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS)
        self._last = float("-inf")
        self._pause = 0.0
        self._writes = 0

    @property
    def pause(self) -> float:
        """Seconds until a write may be made; 0 where it may be made now."""
        return max(0.0, self._last + self._pause - self._clock.now())

    @property
    def undone(self) -> bool:
        """Whether there have been so many writes that somebody must be undoing them."""
        return self._writes >= SUSPICIOUS and self._clock.now() - self._last <= CALM_SECONDS

    def written(self) -> None:
        """One was made."""
        if self._clock.now() - self._last > CALM_SECONDS:
            self._backoff.succeeded()
            self._writes = 0
        self._writes += 1
        self._last = self._clock.now()
        self._pause = self._backoff.next_delay(random.random())  # noqa: S311 (keeps replicas apart, hides nothing)
