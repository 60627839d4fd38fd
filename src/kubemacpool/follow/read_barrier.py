"""Allocations whose object was never observed end once a read barrier past their bound is passed (rule 5)."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from typing import Final, NamedTuple

import structlog

from kubemacpool.core.ledger import Ledger
from kubemacpool.ports import Clock, ClusterUnavailableError, ConsistentRead, OutsideError
from kubemacpool.progress import ViewProgress

PAUSE = 1.0
"""Seconds between two looks: short beside the bound (120 s by default), and a look at nothing overdue is free."""

BARRIER_SECONDS: Final = 90.0
"""For a view to reach what a read has answered. A kind of which nothing happens gets a bookmark about each
minute; this is one and a half. After it the kind is listed, which proves as much."""

LIST_SECONDS: Final = 60.0
"""For such a list. 100,000 objects take some ten seconds; with the next look it is tried again."""

_log = structlog.get_logger(__name__)


class FollowedKind(NamedTuple):
    """One kind: how far its view has come, how far it is in the cluster, and what lists it afresh."""

    kind: str
    progress: ViewProgress
    newest: ConsistentRead
    relist: Callable[[], Awaitable[None]]


class ReadBarrier:
    """Asks the API server how far the cluster is, waits until the views are as far, and ends what is overdue then."""

    def __init__(self, ledger: Ledger, followed: Callable[[], Iterable[FollowedKind]], clock: Clock) -> None:
        """Prove nothing yet.

        Args:
            ledger: where unseen allocations are.
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
                _log.warning("the watch could not be proven: overdue allocations are kept", error=str(error))
            await asyncio.sleep(PAUSE)

    async def prove_if_due(self) -> None:
        """Prove the watch if an allocation or the addresses in doubt are older than the in-flight bound.

        The moment is taken before the read begins: whatever was persisted by then has a resourceVersion that the read's
        answer includes, so a view that has reached the answer has seen it.

        Raises:
            OutsideError: when the API server did not say how far the cluster is; nothing has changed.
        """
        oldest = self._ledger.oldest_unseen()
        moment = self._clock.now()
        if oldest is None or oldest + self._ledger.in_flight_bound > moment:
            return
        before = self._ledger.in_flight_count + self._ledger.in_doubt_count
        versions = await self._proven()
        self._ledger.pass_barrier(moment, versions)
        after = self._ledger.in_flight_count + self._ledger.in_doubt_count
        _log.debug("ended unseen", addresses=before - after, left=after)

    async def _proven(self) -> dict[str, int]:
        """By kind, what a successor must have seen, once every view has seen all that there was when this was called.

        Of a kind that nobody touches that is not how far the cluster was, but where the kind changed last: whoever has
        seen that has seen as much, and nobody waits for what does not happen.
        """
        followed = tuple(self._followed())
        before = tuple(each.progress.resource_version for each in followed)
        versions = await asyncio.gather(*(each.newest.newest_resource_version() for each in followed))
        for each, seen, version in zip(followed, before, versions, strict=True):
            if version < seen:
                raise ClusterUnavailableError(f"{each.kind}: resourceVersion fell from {seen} to {version}")
        reaching = [asyncio.create_task(_forwarder(*each)) for each in zip(followed, versions, strict=True)]
        try:
            await asyncio.gather(*reaching)
        finally:
            for task in reaching:
                task.cancel()
        newest = zip(followed, versions, strict=True)
        return {each.kind: min(version, each.progress.changed_at) for each, version in newest}


async def _forwarder(followed: FollowedKind, version: int) -> None:
    """Returns when the view has reached this resourceVersion, or was listed afresh since this was called."""
    try:
        async with asyncio.timeout(BARRIER_SECONDS):
            await followed.progress.until(version)
    except TimeoutError:
        _log.warning("the watch brings nothing, listing afresh", kind=followed.kind, version=version)
        try:
            async with asyncio.timeout(LIST_SECONDS):
                await followed.relist()
        except TimeoutError:
            raise ClusterUnavailableError(f"no list of {followed.kind} within {LIST_SECONDS:g} s") from None
