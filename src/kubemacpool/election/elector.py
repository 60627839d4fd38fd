"""One replica leads: the election by the Lease, and every write to it.

::

                    Lease free or expired, and we are ready
    standing by ─────────────────────────────────────────────> acquired, catching up
        ^                                                            │ our view is as new as the Lease asks (rule 4)
        │   somebody else has it, or it was deleted                  v
        ├──────────────────────────────────────────────────────── leading ──── told to stop ───> handed over
        └──────── we cannot decide for a reason of our own ──────────┘

Clocks decide liveness only. A replica acquires the Lease by an update with the resourceVersion that it has read, so of
two that try one fails; and a leader that has not renewed for a while stops leading on its own clock before anybody else
may begin (rule 6).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final

import structlog

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.requests import Unreserved
from kubemacpool.election.leadership import ELSEWHERE, HeldLease, KindView
from kubemacpool.election.lease_view import LeaseView, Vacancy
from kubemacpool.election.lease_writer import LeaseWriter, Member
from kubemacpool.election.timing import (
    CATCH_UP_SECONDS,
    LEASE_SECONDS,
    MARGIN_SECONDS,
    OBSTACLE_SECONDS,
    RENEWAL_SECONDS,
    RETRY_SECONDS,
    SIGHT_SECONDS,
)
from kubemacpool.pacing import Bell
from kubemacpool.ports import Clock, ConflictError, LeaseStore, NotFoundError, OutsideError, RetryLaterError
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity

__all__ = ["Elector", "Member"]

_MISSING: Final = "it does not exist"
_NOBODY: Final = "no replica leads at this moment"
_STOPPING: Final = "this replica is shutting down"

_LOOK_SECONDS: Final = 0.01
"""Between two looks at what has been observed, before a release."""

_log = structlog.get_logger(__name__)


class Elector:
    """Takes part in the election, and writes the Lease while it is ours.

    Implements `Leadership`, and `WatchListener[LeaseRecord]` for the watch on the Lease.
    """

    def __init__(
        self,
        replica: Member,
        store: LeaseStore,
        allocator: Allocator,
        views: Mapping[str, KindView],
        obstacles: Callable[[], Iterable[str]],
        clock: Clock,
    ) -> None:
        """Stand by.

        Args:
            replica: who we are.
            store: where the Lease is.
            allocator: the rules; learns who leads.
            views: by kind, what the ledger is derived from.
            obstacles: what keeps this replica from leading beside the Lease, a sentence each.
            clock: the process's own.
        """
        self._replica = replica
        self._lease = LeaseWriter(replica, store)
        self._allocator = allocator
        self._kinds = frozenset(views)
        self._obstacles = obstacles
        self._clock = clock
        self._known = LeaseView(replica.identity, allocator.ledger.in_flight_bound, clock)
        self._held = HeldLease(self._lease, allocator, views, clock, self._catch_up)
        self._vacancy = Vacancy(clock)
        self._resigning = False
        self._leaving = ""
        self._hindered_since: float | None = None
        self._aside_until = 0.0
        self._bell = Bell()

    # What others may ask

    @property
    def leading(self) -> bool:
        """Whether this replica may allocate at this moment (rule 6)."""
        return self._hindrance() == ""

    @property
    def leader_endpoint(self) -> str | None:
        """Where the leader is reached, if it is another replica, as far as is known; None otherwise."""
        return None if self._held.ours else self._known.others_endpoint

    @property
    def out_of_touch(self) -> bool:
        """Whether another replica may well have acquired the Lease without our having heard of it."""
        return self.seconds_since_renewal >= LEASE_SECONDS + MARGIN_SECONDS

    @property
    def transitions(self) -> int:
        """How often the Lease has changed hands."""
        return self._known.transitions

    @property
    def seconds_since_renewal(self) -> float:
        """Since the Lease was last renewed, by us or as we see it."""
        renewed_at = self._held.renewed_at if self._held.ours else self._known.observed_at
        return self._clock.now() - renewed_at

    @property
    def seconds_without_leader(self) -> float:
        """For how long altogether nobody has led, as far as this replica knows by now."""
        return self._vacancy.seconds

    async def until_changed(self, seconds: float) -> None:
        """Returns when something about who leads has changed, or after so many seconds."""
        await self._bell.until_changed(seconds)

    # What the Lease has to list

    def check(self) -> None:
        """Returns if this replica may decide at this moment."""
        hindrance = self._hindrance()
        if hindrance:
            raise RetryLaterError(hindrance)

    async def reserve(self, unreserved: Unreserved) -> None:
        """Returns when a confirmed write of the Lease has taken these into account."""
        self.check()
        self._bell.ring()
        await self._held.reserve(unreserved)

    def extend_soon(self) -> None:
        """The block is nearly used up: write the Lease before the renewal is due."""
        self._bell.ring()

    # What the watch on the Lease brings

    def present(self, identity: ObjectIdentity, item: LeaseRecord, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease says this."""
        if self._known.is_news(item):
            self._take_note(item)

    def gone(self, identity: ObjectIdentity) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease was deleted."""
        self._miss()

    def reached(self, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The first look is done: if there was nothing, the Lease is made when that is safe."""
        if self._known.record is None:
            self._miss()

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease is not of the expected shape."""
        _log.error("the Lease cannot be read", reason=reason)

    def rewound(self, reason: str) -> None:
        """The cluster is older than it was: it was restored from a backup (rule 4).

        What was allocated since then may be held by nobody that exists, and what was deleted since then exists again.
        """
        if self._known.lost_since is not None or self._held.lists_afresh:
            return  # nobody leads, and before we do again, everything is listed
        stopped = self._others_stopped()
        self._known.rewind()
        self._lose(f"the cluster was restored from a backup ({reason})", stopped)

    # The loop

    async def run(self) -> None:
        """Take part until `resign`, then release the Lease."""
        while not self._resigning:
            self._bell.silence()
            self._account()
            if self._held.ours:
                await self._lead()
            else:
                await self._stand_by()
        await self._resign()

    def resign(self) -> None:
        """Stop leading at once, and have `run` release the Lease (rule 7)."""
        self._resigning = True
        self._leaving = _STOPPING
        self._pulse()

    async def _stand_by(self) -> None:
        """Acquire the Lease if it is time; otherwise wait for that."""
        if any(self._obstacles()) or self._clock.now() < self._aside_until:
            await self._bell.sleep(RETRY_SECONDS)
            return
        known = self._known
        record = known.record
        if (left := known.others_left) > 0:
            await self._bell.sleep(left)
            return
        if record is not None and record.fault:
            self._lose(f"Lease {LEASE_NAME}: {record.fault}", self._clock.now(), holder_may_return=True)
        if (left := known.lost_left) > 0:
            await self._bell.sleep(left)
            return
        try:
            if record is not None:
                await self._acquire(record)
            elif known.lost_since is not None:
                await self._make_lease()
            else:
                await self._bell.sleep(RENEWAL_SECONDS)  # the watch has not told of it yet
        except OutsideError as error:
            await self._learn_from(error)

    async def _make_lease(self) -> None:
        """There is none, and nothing that was allocated under an earlier one can be in flight any more."""
        known = self._known.record
        record = await self._lease.create()
        _log.info("the Lease was made anew")
        self._take_answer(record, known)

    async def _acquire(self, record: LeaseRecord) -> None:
        """Make the Lease ours, with what is reserved (rule 4); it may be so already, if an answer was lost."""
        unknown = sorted(set(record.seen) - self._kinds)
        if unknown:
            _log.error("the Lease asks for a view of kinds that this program does not follow", kinds=unknown)
            await self._bell.sleep(LEASE_SECONDS)
            return
        sent = self._clock.now()
        stored = await self._lease.claim(record)
        self._take_answer(stored, record)
        if self._known.record is None or not self._is_ours(self._known.record):
            return  # the watch was faster, with what came after it
        self._held.begin(stored, sent, afresh=self._known.says_too_little)
        self._known.acquire()
        self._hindered_since = None

    async def _lead(self) -> None:
        """Renew the Lease when that is due, or when somebody waits for it."""
        record = self._known.record
        due_in = self._held.due_in
        if (reason := self._own_fault()) and record is not None:
            await self._give_up(record, reason)
            return
        if record is None or due_in > 0:
            await self._bell.sleep(due_in)
            return
        try:
            stored = await self._held.renew(record)
            if stored is not None:
                self._take_answer(stored, record)
        except OutsideError as error:
            await self._learn_from(error)

    def _own_fault(self) -> str:
        """Why somebody else had better decide; empty if this replica can, or has not tried for long."""
        now = self._clock.now()
        obstacles = tuple(self._obstacles())
        if not obstacles:
            self._hindered_since = None
        elif self._hindered_since is None:
            self._hindered_since = now
        elif now - self._hindered_since >= OBSTACLE_SECONDS:
            return "; ".join(obstacles)
        if self._held.too_late:
            return f"it is not up to date after {CATCH_UP_SECONDS:g} s"
        return ""

    async def _give_up(self, record: LeaseRecord, reason: str) -> None:
        """We cannot decide for a reason of our own: let somebody else (rule 6)."""
        if self._held.too_late:  # nothing else keeps us from trying again: let others be first
            self._aside_until = self._clock.now() + LEASE_SECONDS
        self._leaving = f"this replica lets another one decide: {reason}"  # also should the reason pass meanwhile
        try:
            await self._release(record)
            _log.warning("let another replica decide", reason=reason)
        except OutsideError as error:
            await self._learn_from(error)
        finally:
            self._leaving = _STOPPING if self._resigning else ""

    async def _resign(self) -> None:
        """The last write, which releases the Lease (rule 7)."""
        self._held.refuse(_STOPPING)
        await self._see_what_was_allocated()
        try:
            while (record := self._known.record) is not None and self._held.ours:
                try:
                    await self._release(record)
                except ConflictError:
                    await self._read()
        except OutsideError as error:
            self._held.end()
            _log.warning("could not release the Lease: another replica acquires it when it expires", error=str(error))

    async def _release(self, record: LeaseRecord) -> None:
        """Nobody holds the Lease, and the block is given back; we have stopped leading before."""
        update = self._allocator.last_update()
        stored = await self._lease.release(record, update)
        self._held.end(self._leaving)
        self._take_answer(stored, record)
        _log.info("released", transitions=stored.transitions, reserved=len(update.reserved))

    async def _see_what_was_allocated(self) -> None:
        """Leave the successor as little as may be that it must in doubt, for the whole in-flight bound."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SIGHT_SECONDS):
                while self._held.ours and self._allocator.ledger.in_flight_count:  # noqa: ASYNC110 (the core tells nobody)
                    await asyncio.sleep(_LOOK_SECONDS)

    async def _learn_from(self, error: OutsideError) -> None:
        """A write was not made, or its answer was lost: learn how the Lease is, or try again a little later."""
        try:
            if isinstance(error, ConflictError):
                await self._read()
            elif isinstance(error, NotFoundError) and self._known.record is not None:
                self._miss()
            else:
                raise error
        except OutsideError as failure:
            _log.warning("the Lease cannot be written, trying again", error=str(failure))
            await asyncio.sleep(RETRY_SECONDS)

    async def _read(self) -> None:
        """A conflict may come from our own earlier write."""
        known = self._known.record
        try:
            record = await self._lease.read()
        except NotFoundError:
            self._miss()
        else:
            if known is None or record.resource_version != known.resource_version:
                self._take_answer(record, known)

    def _take_answer(self, record: LeaseRecord, asked_at: LeaseRecord | None) -> None:
        """The Lease is or was so: the watch may have brought what came after it, while the answer was on its way.

        Args:
            record: the answer.
            asked_at: what was known of the Lease when it was asked for.
        """
        known = self._known.record
        if known is asked_at and self._known.is_rewound(record):
            self.rewound(f"{LEASE_NAME}: resourceVersion fell to {record.resource_version}")
            self._take_note(record)
        elif known is asked_at or (known is not None and self._known.is_news(record)):
            self._take_note(record)

    def _is_ours(self, record: LeaseRecord) -> bool:
        """Whether this replica holds the Lease, and can read what it says."""
        return record.holder == self._replica.identity and not record.fault

    def _take_note(self, record: LeaseRecord) -> None:
        """This is how the Lease is now."""
        if record.transitions < self._known.transitions:  # another object: transitions only grow
            stopped = self._others_stopped()
            self._known.rewind()
            self._lose(f"Lease {LEASE_NAME}: it was deleted and made anew", stopped)
        if self._known.is_end_of_another(record):
            self._vacancy.reach_back(self._known.observed_at)
        self._known.note(record)
        if self._held.ours:
            if self._is_ours(record):
                self._held.confirm(record)
            else:
                if not self._leaving:  # else it may be our own last write, of which the watch tells first
                    _log.warning(
                        "the Lease is no longer ours",
                        transitions=record.transitions,
                        holder=record.holder,
                        fault=record.fault,
                    )
                self._held.end()
        self._pulse()

    def _miss(self) -> None:
        """There is no Lease."""
        self._known.forget()
        self._lose(f"Lease {LEASE_NAME}: {_MISSING}", self._others_stopped())

    def _others_stopped(self) -> float:
        """When everybody else has stopped leading at the latest, if nobody renews the Lease from now on (rule 6)."""
        now = self._clock.now()
        if self._held.ours and now - self._held.renewed_at < LEASE_SECONDS:
            return now  # until now it was ours, and nobody else's
        return now + LEASE_SECONDS

    def _lose(self, reason: str, stopped: float, *, holder_may_return: bool = False) -> None:
        """Nobody knows what was allocated: nobody leads until nothing of that can be in flight any more."""
        self._held.end(reason)
        if self._known.lose(reason, stopped, holder_may_return=holder_may_return):
            self._pulse()

    def _catch_up(self) -> None:
        """Our view is as new as the Lease asks, or did not become so in time."""
        if not self._held.too_late:
            self._known.says_too_little = False
        self._pulse()

    def _pulse(self) -> None:
        """What waits for a change looks again."""
        self._bell.tell()
        self._account()

    def _account(self) -> None:
        """Count the time in which nobody leads."""
        self._vacancy.see(somebody=self.leading or self.leader_endpoint is not None)

    def _hindrance(self) -> str:
        """Why this replica may not allocate at this moment; empty if it may."""
        if self._leaving:
            return self._leaving
        if self._held.ours:
            return self._held.hindrance() or "; ".join(self._obstacles())
        if self._known.lost_since is not None:
            return f"nobody knows what was allocated lately ({LEASE_NAME})"
        if self._known.others_left > 0:
            return ELSEWHERE
        return "; ".join(self._obstacles()) or _NOBODY
