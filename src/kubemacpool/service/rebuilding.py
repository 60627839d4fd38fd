"""What is derived from the cluster is rebuilt when it may have been torn.

::

    whole ──a failure while something is taken in──> torn: forgotten at once, not ready, deciding nothing
      ^                                                │
      │ every kind was listed afresh,                  v
      └──────────── and nothing failed ────────── listing afresh, later each time
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

import structlog

from kubemacpool.service.backoff import Backoff
from kubemacpool.service.readiness import Readiness

OBSTACLE: Final = "rebuilding"

FIRST_DELAY: Final = 0.5
LONGEST_DELAY: Final = 30.0
"""Seconds before a list that follows another one: the first failure is mended at once."""

QUIET_SECONDS: Final = 120.0
"""Without a failure, after which the next one is the first one again."""

_log = structlog.get_logger(__name__)


class Rebuilder:
    """Forgets what may be wrong, at once, and has it told again.

    Args:
        forget: what is derived is empty afterwards; in one step, so that nothing is decided by what is torn.
        relists: for each kind what lists it afresh, and returns when all of it has been told.
        readiness: hindered meanwhile.
        now: monotonic seconds.
        sleep: how to wait.
        draw: a random number between 0 and 1.
    """

    def __init__(
        self,
        forget: Callable[[], None],
        relists: Callable[[], Iterable[Callable[[], Awaitable[None]]]],
        readiness: Readiness,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._forget = forget
        self._relists = relists
        self._readiness = readiness
        self._now = now
        self._sleep = sleep
        self._draw = draw
        self._backoff = Backoff(FIRST_DELAY, LONGEST_DELAY)
        self._listed_at: float | None = None
        self._whole = True
        self._torn = asyncio.Event()

    def tear(self) -> bool:
        """Something has failed half-way; says whether all was whole until now, so that this costs a rebuild."""
        was_whole, self._whole = self._whole, False
        self._readiness.hinder(
            OBSTACLE, "what is known of the cluster is being rebuilt, because an object could not be taken in (see log)"
        )
        self._torn.set()
        try:
            self._forget()
        except Exception:  # noqa: BLE001 (it is tried again, by whoever is watched)
            _log.exception("what is known of the cluster could not be forgotten, trying again")
        return was_whole

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            await self._torn.wait()
            await self._pause()
            self._torn.clear()
            try:
                self._forget()
                await asyncio.gather(*(relist() for relist in self._relists()))
            except BaseException:
                self._torn.set()  # whoever runs this again goes on
                raise
            if not self._torn.is_set():
                self._whole = True
                self._readiness.clear(OBSTACLE)
                _log.info("what is known of the cluster was rebuilt")

    async def _pause(self) -> None:
        now = self._now()
        if self._listed_at is None or now - self._listed_at >= QUIET_SECONDS:
            self._backoff.succeeded()
        else:
            await self._sleep(self._backoff.next_delay(self._draw()))
        self._listed_at = self._now()
