"""The Lease while it is ours: acquired, caught up, renewed, until somebody else has it."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from itertools import chain
from typing import Final, NamedTuple

import structlog

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.budgets import over_budget
from kubemacpool.core.requests import Unreserved
from kubemacpool.election.lease_writer import LeaseWriter
from kubemacpool.election.reserve_queue import Batch, ReserveQueue
from kubemacpool.election.timing import CATCH_UP_SECONDS, LEASE_SECONDS, MARGIN_SECONDS, RENEWAL_SECONDS
from kubemacpool.ports import Clock, OutsideError, RetryLaterError
from kubemacpool.progress import ViewProgress
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord

PATIENCE: Final = 2.0
"""Seconds for a watch to bring what another watch has brought already: it normally takes milliseconds."""

_log = structlog.get_logger(__name__)


class KindView(NamedTuple):
    """What is known of one kind.

    Attributes:
        progress: how far it has come.
        relist: lists the kind afresh; returns when a list that began after the call is complete.
    """

    progress: ViewProgress
    relist: Callable[[], Awaitable[None]]


async def catch_up(views: Mapping[str, KindView], seen: Mapping[str, int]) -> None:
    """Returns when every view has reached what is asked of its kind, or was listed afresh since."""
    await asyncio.gather(*(_catch_up(kind, views[kind], version) for kind, version in seen.items()))


async def list_afresh(views: Mapping[str, KindView]) -> None:
    """Returns when every kind was listed afresh."""
    await asyncio.gather(*(view.relist() for view in views.values()))


async def _catch_up(kind: str, view: KindView, version: int) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await view.progress.until(version)
    except (TimeoutError, OutsideError):
        _log.warning("the watch is behind, listing afresh", kind=kind, version=version)
        await view.relist()


ELSEWHERE: Final = "another replica leads"
FIRST_ACQUISITION: Final = 1
"""Of a Lease that nobody has held before; one that was deleted is made anew when nothing can be in flight."""


class HeldLease:
    """Whether the Lease is ours, what that allows, and what we write to it.

    Args:
        lease: where it is written.
        allocator: the rules; learns when this begins and ends, and what the Lease lists.
        views: by kind, what has to be as new as the Lease asks.
        clock: the process's own.
        on_change: called once the views are new enough, or it is too late for that.
    """

    def __init__(
        self,
        lease: LeaseWriter,
        allocator: Allocator,
        views: Mapping[str, KindView],
        clock: Clock,
        on_change: Callable[[], None],
    ) -> None:
        self.ours = False
        self.renewed_at = 0.0
        """When the last write that succeeded was sent."""
        self._lease = lease
        self._allocator = allocator
        self._views = views
        self._clock = clock
        self._on_change = on_change
        self.lists_afresh = False
        """Whether we have acquired the Lease after a loss, and all kinds are being listed."""
        self.too_late = False
        """Whether the views did not become new enough in time."""
        self._wishes = ReserveQueue()
        self._caught_up = False
        self._catching_up: asyncio.Task[None] | None = None

    def begin(self, record: LeaseRecord, sent: float, *, afresh: bool) -> None:
        """The Lease is ours; everything that it lists is in doubt (rule 4).

        Args:
            record: the Lease, as acquired.
            sent: when the write was sent.
            afresh: whether it may be silent about what has to be seen, so that the cluster is to be listed.
        """
        self.ours = True
        self.renewed_at = sent
        self.lists_afresh, self.too_late = afresh, False
        self._allocator.acquire(
            record.reserved, record.last, self._clock.now(), first=record.transitions == FIRST_ACQUISITION
        )
        self._catching_up = asyncio.create_task(self._catch_up(record, afresh=afresh))
        _log.info("acquired", transitions=record.transitions, in_doubt=len(record.reserved))

    def confirm(self, record: LeaseRecord) -> None:
        """The Lease, ours still, lists these and no others."""
        self._allocator.reservations.confirm(record.reserved)

    def end(self, reason: str = ELSEWHERE) -> None:
        """The Lease is not ours any more; requests that wait for a write of it fail with the reason."""
        if not self.ours:
            return
        self.ours = self._caught_up = self.lists_afresh = self.too_late = False
        if self._catching_up is not None:
            self._catching_up.cancel()
        self._allocator.step_down()
        self.refuse(reason)

    def hindrance(self) -> str:
        """Why this replica, whose the Lease is, may not allocate at this moment; empty if it may (rule 6)."""
        if not self._caught_up:
            return "this replica has just acquired the Lease and is not up to date yet"
        if self._clock.now() - self.renewed_at >= LEASE_SECONDS - MARGIN_SECONDS:
            return f"Lease {LEASE_NAME} could not be renewed in time"
        return ""

    # Writing

    async def reserve(self, unreserved: Unreserved) -> None:
        """Returns when a confirmed write has taken these into account, as `Leadership` has it."""
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                await self._wishes.fulfilment(unreserved)
        except TimeoutError:
            raise RetryLaterError(f"Lease {LEASE_NAME} could not be written") from None

    def refuse(self, reason: str) -> None:
        """No write is made for any that wait."""
        self._wishes.refuse_all(reason)

    @property
    def due_in(self) -> float:
        """Seconds until the next write; 0 or less when it is time, or when somebody waits for it."""
        if self._wishes or self._allocator.is_short:
            return 0.0
        return self.renewed_at + RENEWAL_SECONDS - self._clock.now()

    async def renew(self, record: LeaseRecord) -> LeaseRecord | None:
        """Renew the Lease, with the addresses that have to be reserved now (rules 1 and 3).

        Args:
            record: what it says now, as far as is known.

        Returns:
            What it says then, to be confirmed unless it is known already to say something else; None if it was taken
            over meanwhile.

        Raises:
            OutsideError: the write was not made, or its answer was lost; what waits for it waits for the next one.
        """
        batch = self._fitting(self._wishes.take())
        needed = [wish.unreserved for wish in (*self._wishes.allocated, *batch)]
        asked = chain.from_iterable(each.addresses for each in needed)
        update = self._allocator.next_update(asked, sum(each.automatic for each in needed))
        self._allocator.reservations.begin_write(update.reserved)
        sent = self._clock.now()
        try:
            stored = await self._lease.renew(record, update)
        except OutsideError:
            self._wishes.put_back(batch)
            if not self.ours:
                self.refuse(ELSEWHERE)
            raise
        if not self.ours:  # the watch was faster
            self._wishes.refuse(batch, ELSEWHERE)
            return None
        self.renewed_at = sent
        if update.complete:
            self._wishes.fulfil(batch)
        else:
            self._wishes.refuse(batch, "too many addresses are on their way to the cluster")
        return stored

    def _fitting(self, batch: Batch) -> Batch:
        """Those that the next write may take into account; the others fail with the reason."""
        allocated = [wish.unreserved for wish in self._wishes.allocated]
        judged = zip(batch, self._allocator.fitting(allocated, [wish.unreserved for wish in batch]), strict=True)
        fitting: Batch = []
        for wish, over in judged:
            if over is None:
                fitting.append(wish)
            else:
                self._wishes.refuse([wish], over_budget(over))
        return fitting

    async def _catch_up(self, record: LeaseRecord, *, afresh: bool) -> None:
        """Begin to decide once our view is as new as the Lease asks."""
        try:
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await (list_afresh(self._views) if afresh else catch_up(self._views, record.seen))
        except Exception as error:  # noqa: BLE001 (whatever it is: nobody else watches this task)
            if not isinstance(error, TimeoutError):
                _log.exception("could not catch up", transitions=record.transitions)
            self.too_late = True
            self._on_change()
            return
        self._caught_up, self.lists_afresh = True, False
        self._on_change()
        _log.info("leading", transitions=record.transitions)
