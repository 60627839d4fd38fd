"""Grants whose object was never seen end once the watch is proven to be past the moment of their bound (rule 5)."""

import asyncio

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.errors import OutsideError
from kubemacpool.ports.watching import ConsistentRead
from kubemacpool.service.following import POD
from kubemacpool.service.progress import ViewProgress

PAUSE = 1.0
"""Seconds between two looks: short beside the bound (120 s by default), and a look at nothing overdue is free."""

_log = structlog.get_logger(__name__)


class WatchProver:
    """Asks the API server how far the cluster is, waits until the view is as far, and ends what is overdue by then."""

    def __init__(self, ledger: Ledger, progress: ViewProgress, newest: ConsistentRead, clock: Clock) -> None:
        self._ledger = ledger
        self._progress = progress
        self._newest = newest
        self._clock = clock

    async def run(self) -> None:
        """Go on until cancelled."""
        while True:
            # Every decision does this for itself; here it is for the figures, which are to be true while none is made.
            self._ledger.end_cooling(self._clock.now())
            try:
                await self.prove_if_due()
            except OutsideError as error:
                _log.warning("the watch could not be proven: overdue grants are kept", error=str(error))
            await asyncio.sleep(PAUSE)

    async def prove_if_due(self) -> None:
        """Prove the watch if a grant or the suspects are older than the in-flight bound.

        The moment is taken before the read begins: whatever was persisted by then has a resourceVersion that the read's
        answer includes, so a view that has reached the answer has seen it.

        Raises:
            OutsideError: when the API server did not say how far the cluster is; nothing has changed.
        """
        oldest = self._ledger.oldest_unseen()
        moment = self._clock.now()
        if oldest is None or oldest + self._ledger.in_flight_bound > moment:
            return
        before = self._ledger.pending_count + self._ledger.suspect_count
        version = await self._newest.newest_resource_version()
        await self._progress.until(version)
        self._ledger.prove(moment, {POD: version})
        after = self._ledger.pending_count + self._ledger.suspect_count
        _log.debug("ended unseen", addresses=before - after, left=after)
