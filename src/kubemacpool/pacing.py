"""When to try again, how often something may happen, and waiting until something changes."""

import asyncio
import contextlib
import random
from typing import Final

from kubemacpool.ports import Clock


class Backoff:
    """Delays that double from the first to the longest, each drawn between its half and its whole.

    The draw keeps clients apart that lost the same server at the same moment.

    Args:
        first: seconds, the delay after the first failure.
        longest: seconds, the delay that is never exceeded unless the other side asks for more.
    """

    def __init__(self, first: float = 0.1, longest: float = 10.0) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def succeeded(self) -> None:
        """The next failure counts as the first one."""
        self._failures = 0

    def next_delay(self, draw: float, *, at_least: float | None = None) -> float:
        """Seconds to wait after one more failure.

        Args:
            draw: a random number between 0 and 1.
            at_least: what the other side asked for (Retry-After), which is heard up to six times the longest delay.
        """
        whole = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        delay = whole * (0.5 + draw / 2)
        if at_least is None:
            return delay
        return max(delay, min(at_least, 6 * self._longest))


class Tally:
    """Counts what is reported together, at most once in so many seconds. Pure.

    Attributes:
        count: of what has not been reported yet.
    """

    def __init__(self, seconds: float) -> None:
        self.count = 0
        self._seconds = seconds
        self._reported_at: float | None = None

    def due(self, now: float) -> int:
        """How many to report now, which are counted no more then; 0 where there are none, or it is too early."""
        early = self._reported_at is not None and now - self._reported_at < self._seconds
        if early or not self.count:
            return 0
        number, self.count, self._reported_at = self.count, 0, now
        return number


class TokenBucket:
    """Tokens that come at an even rate and are kept up to a bound; each action takes one.

    Args:
        rate: tokens a second.
        burst: the most that are kept, and what there is to begin with.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token, if there is one.

        Args:
            now: seconds on a monotonic clock.
        """
        self._fill(now)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def ready_in(self, now: float) -> float:
        """Seconds until there is a token; 0 when there is one."""
        self._fill(now)
        return max(0.0, (1.0 - self._left) / self._rate)

    def is_full(self, now: float) -> bool:
        """Whether nothing was taken for so long that the bucket is as good as a new one."""
        self._fill(now)
        return self._left >= self._burst

    def _fill(self, now: float) -> None:
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now


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


class Bell:
    """Wakes the one who works, and with every change all those who wait for one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._changed = asyncio.Event()

    def ring(self) -> None:
        """There is work; rung before anybody sleeps, it is heard all the same."""
        self._rung.set()

    def tell(self) -> None:
        """Something has changed: everybody looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.ring()

    def silence(self) -> None:
        """The one who works has looked: what was rung before is done with."""
        self._rung.clear()

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or when the bell is rung."""
        await _wait(self._rung, seconds)

    async def until_changed(self, seconds: float) -> None:
        """Returns after so many seconds, or when something has changed."""
        await _wait(self._changed, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
