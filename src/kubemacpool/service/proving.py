"""Grants whose object was never seen end once the watch is proven to be past the moment of their bound (rule 5)."""

import asyncio
from collections.abc import Callable, Iterable
from typing import NamedTuple

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.errors import OutsideError
from kubemacpool.ports.watching import ConsistentRead
from kubemacpool.service.progress import ViewProgress

PAUSE = 1.0
"""Seconds between two looks: short beside the bound (120 s by default), and a look at nothing overdue is free."""

_log = structlog.get_logger(__name__)


class Followed(NamedTuple):
    """One kind: how far its view has come, and how far it is in the cluster."""

    kind: str
    progress: ViewProgress
    newest: ConsistentRead


class WatchProver:
    """Asks the API server how far the cluster is, waits until the views are as far, and ends what is overdue then."""

    def __init__(self, ledger: Ledger, followed: Callable[[], Iterable[Followed]], clock: Clock) -> None:
        """Prove nothing yet.

        Args:
            ledger: where unseen grants are.
            followed: every kind that the ledger is derived from and that there is at this moment.
            clock: the process's own.
        """
        self._ledger = ledger
        self._followed = followed
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
        versions = await self._proven()
        self._ledger.prove(moment, versions)
        after = self._ledger.pending_count + self._ledger.suspect_count
        _log.debug("ended unseen", addresses=before - after, left=after)

    async def _proven(self) -> dict[str, int]:
        """By kind, the resourceVersion that the cluster had after the call, once every view has reached its own."""
        followed = tuple(self._followed())
        versions = await asyncio.gather(*(each.newest.newest_resource_version() for each in followed))
        reached = zip(followed, versions, strict=True)
        await asyncio.gather(*(each.progress.until(version) for each, version in reached))
        return {each.kind: version for each, version in zip(followed, versions, strict=True)}
