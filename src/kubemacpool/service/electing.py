"""One replica decides: the election by the Lease, and every write to it.

::

                    Lease free or expired, and we are ready
    standing by ─────────────────────────────────────────────> taken over, catching up
        ^                                                            │ our view is as new as the Lease asks (rule 4)
        │   somebody else has it, or it was deleted                  v
        └──────────────────────────────────────────────────────── deciding ──── told to stop ───> handed over

Clocks decide liveness only. Whoever takes over does so by an update with the resourceVersion that it has read, so of
two that try one fails; and whoever has not renewed for a while stops deciding on its own clock before anybody else may
begin (rule 6).
"""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from typing import Final, NamedTuple

import structlog

from kubemacpool.core.decider import Decider, Names
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import NotDecidingError
from kubemacpool.ports.errors import ConflictError, NotFoundError, OutsideError
from kubemacpool.ports.lease import LeaseStore
from kubemacpool.service.catching_up import View, catch_up, list_afresh
from kubemacpool.service.waiting import Batch, Wishes, addresses_of, automatic_of, fulfil
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity

_MISSING: Final = "it does not exist"
_ELSEWHERE: Final = "another replica decides"
_STOPPING: Final = "this replica is shutting down"

_log = structlog.get_logger(__name__)


LEASE_SECONDS: Final = 5
"""Without a renewal for so long, somebody else may take over."""

MARGIN_SECONDS: Final = 1.0
"""So long before that the decider stops deciding: more than two clocks can differ by in five seconds."""

RENEWAL_SECONDS: Final = 1.3
"""Between two renewals. Two of them may fail before the decider has to stop."""

WRITE_SECONDS: Final = 2.0
"""For the API server to answer one; it normally takes milliseconds."""

RETRY_SECONDS: Final = 0.2
"""Until the next attempt, after one that was not answered."""


class Replica(NamedTuple):
    """Who takes part in the election: an identity that no other process ever has, and where its webhook is reached."""

    identity: str
    endpoint: str


class Elector:
    """Takes part in the election, and writes the Lease while it is ours.

    Implements `Naming`, and `WatchListener[LeaseRecord]` for the watch on the Lease.
    """

    def __init__(
        self,
        replica: Replica,
        store: LeaseStore,
        decider: Decider,
        views: Mapping[str, View],
        obstacles: Callable[[], Iterable[str]],
        clock: Clock,
    ) -> None:
        """Stand by.

        Args:
            replica: who we are.
            store: where the Lease is.
            decider: the rules, told who decides.
            views: by kind, what the ledger is derived from.
            obstacles: what keeps this replica from deciding beside the Lease, a sentence each.
            clock: the process's own.
        """
        self._replica = replica
        self._store = store
        self._decider = decider
        self._views = views
        self._obstacles = obstacles
        self._clock = clock
        self._wishes = Wishes()
        self._record: LeaseRecord | None = None
        self._observed_at = clock.now()
        self._lost_since: float | None = None  # since when nobody decides, and nobody knows what was granted before
        self._afresh = False
        self._ours = False
        self._caught_up = False
        self._catching_up: asyncio.Task[None] | None = None
        self._renewed_at = 0.0
        self._resigning = False
        self._wake = asyncio.Event()
        self._changed = asyncio.Event()
        self._leaderless = 0.0
        self._leaderless_since: float | None = clock.now()

    # What others may ask

    @property
    def deciding(self) -> bool:
        """Whether this replica may grant at this moment (rule 6)."""
        return self._hindrance() == ""

    @property
    def endpoint_of_decider(self) -> str | None:
        """Where the other replica is reached that decides, as far as is known; None while nobody else does."""
        record = self._record
        if record is None or self._ours or record.holder in {"", self._replica.identity} or self._expired(record):
            return None
        return record.endpoint or None

    @property
    def term(self) -> int:
        """How often the Lease has changed hands."""
        return 0 if self._record is None else self._record.term

    @property
    def seconds_since_renewal(self) -> float:
        """Since the Lease was last renewed, by us or as we see it."""
        return self._clock.now() - (self._renewed_at if self._ours else self._observed_at)

    @property
    def seconds_without_decider(self) -> float:
        """For how long altogether this replica has known of nobody who decides."""
        since = self._leaderless_since
        return self._leaderless + (self._clock.now() - since if since is not None else 0.0)

    async def until_changed(self, seconds: float) -> None:
        """Returns when something about who decides has changed, or after so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._changed.wait()

    # Naming

    def check(self) -> None:
        """Returns if this replica may decide at this moment."""
        hindrance = self._hindrance()
        if hindrance:
            raise NotDecidingError(hindrance)

    async def name(self, addresses: Iterable[int], automatic: int) -> None:
        """Returns when a confirmed write of the Lease has taken these into account."""
        self.check()
        done = self._wishes.add(addresses, automatic)
        self._wake.set()
        try:
            async with asyncio.timeout(LEASE_SECONDS):
                await done
        except TimeoutError:
            raise NotDecidingError(f"Lease {LEASE_NAME} could not be written") from None

    def extend_soon(self) -> None:
        """The stretch is nearly used up: write the Lease before the renewal is due."""
        self._wake.set()

    # What the watch on the Lease tells

    def present(self, identity: ObjectIdentity, item: LeaseRecord, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease says this."""
        if self._record is None or int(item.resource_version) > int(self._record.resource_version):
            self._take_note(item)

    def gone(self, identity: ObjectIdentity) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease was deleted."""
        self._lose(_MISSING)

    def reached(self, resource_version: int) -> None:  # noqa: ARG002 (the listener's signature)
        """The first look is done: if there was nothing, the Lease is made when that is safe."""
        if self._record is None:
            self._lose(_MISSING)

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:  # noqa: ARG002 (the listener's signature)
        """The Lease is not of the expected shape."""
        _log.error("the Lease cannot be read", reason=reason)

    # The loop

    async def run(self) -> None:
        """Take part until told to resign, then hand over."""
        while not self._resigning:
            self._wake.clear()
            self._account()
            if self._ours:
                await self._preside()
            else:
                await self._stand_by()
        await self._hand_over()

    def resign(self) -> None:
        """Stop deciding at once, and have `run` hand over (rule 7)."""
        self._resigning = True
        self._pulse()

    async def _stand_by(self) -> None:
        """Take over if it is time; otherwise wait for that."""
        record, now = self._record, self._clock.now()
        if any(self._obstacles()):
            await self._sleep(RETRY_SECONDS)
            return
        if record is not None:
            left = self._observed_at + self._duration(record) - now
            if record.holder not in {"", self._replica.identity} and left > 0:
                await self._sleep(left)
                return
            if record.fault:
                self._lose(record.fault)
        if self._lost_since is not None:
            left = self._lost_since + self._decider.ledger.in_flight_bound - now
            if left > 0:
                await self._sleep(left)
                return
            self._afresh = True
        try:
            if record is not None:
                await self._take_over(record)
            elif self._lost_since is not None:
                await self._make_lease()
            else:
                await self._sleep(RENEWAL_SECONDS)  # the watch has not told of it yet
        except (OutsideError, TimeoutError) as error:
            _log.warning("the Lease could not be had, trying again", error=_text(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _make_lease(self) -> None:
        """There is none, and nothing that was granted under an earlier one can be on its way any more."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                record = await self._store.create()
        except ConflictError:
            await self._read()
        else:
            _log.info("the Lease was made anew")
            self._take_note(record)

    async def _take_over(self, record: LeaseRecord) -> None:
        """Make the Lease ours, names and all (rule 4); it may be so already, by a write whose answer was lost."""
        unknown = sorted(set(record.seen) - set(self._views))
        if unknown:
            _log.error("the Lease asks for a view of kinds that this program does not follow", kinds=unknown)
            await self._sleep(LEASE_SECONDS)
            return
        ours = record._replace(
            holder=self._replica.identity,
            endpoint=self._replica.endpoint,
            term=record.term + 1,
            duration=LEASE_SECONDS,
        )
        sent = self._clock.now()
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                stored = await self._store.update(ours, acquired=True)
        except ConflictError:
            await self._read()
            return
        except NotFoundError:
            self._lose(_MISSING)
            return
        afresh, self._afresh = self._afresh, False
        self._take_note(stored)
        self._ours = True
        self._renewed_at = sent
        self._decider.take_over(ours.open, ours.last, self._clock.now())
        self._catching_up = asyncio.create_task(self._catch_up(stored, afresh=afresh))
        _log.info("taken over", term=stored.term, suspect=len(ours.open))

    async def _catch_up(self, record: LeaseRecord, *, afresh: bool) -> None:
        """Begin to decide once our view is as new as the Lease asks (rule 4)."""
        if afresh:
            await list_afresh(self._views)
        else:
            await catch_up(self._views, record.seen)
        self._caught_up = True
        self._pulse()
        _log.info("deciding", term=record.term)

    async def _preside(self) -> None:
        """Renew the Lease when that is due, or when somebody waits for it."""
        due = self._renewed_at + RENEWAL_SECONDS - self._clock.now()
        if due > 0 and not self._wishes and not self._decider.is_short:
            await self._sleep(due)
            return
        batch = self._wishes.take()
        try:
            await self._write(batch)
        except ConflictError:
            self._wishes.put_back(batch)
            await self._read()
        except NotFoundError:
            self._wishes.put_back(batch)
            self._lose(_MISSING)
        except (OutsideError, TimeoutError) as error:
            self._wishes.put_back(batch)
            _log.warning("the Lease could not be renewed, trying again", error=_text(error))
            await asyncio.sleep(RETRY_SECONDS)

    async def _write(self, batch: Batch) -> None:
        """Renew the Lease, with the names that are needed now (rules 1 and 3)."""
        if self._record is None:
            return
        names = self._decider.names(addresses_of(batch), automatic_of(batch))
        self._decider.openings.begin_write(names.open)
        sent = self._clock.now()
        async with asyncio.timeout(WRITE_SECONDS):
            stored = await self._store.update(_naming(self._record, names))
        if not self._ours:  # the watch was faster, and somebody has taken over meanwhile
            self._wishes.refuse(batch, _ELSEWHERE)
            return
        self._renewed_at = sent
        self._take_note(stored)
        if names.complete:
            fulfil(batch)
        else:
            self._wishes.refuse(batch, "too many addresses are on their way to the cluster")

    async def _hand_over(self) -> None:
        """The last write: nobody holds the Lease, and the stretch is given back (rule 7)."""
        self._wishes.refuse_all(_STOPPING)
        if not self._ours:
            return
        names = self._decider.last_names()
        try:
            while (record := self._record) is not None and self._ours:
                record = _naming(record, names)._replace(holder="", endpoint="")
                try:
                    async with asyncio.timeout(WRITE_SECONDS):
                        stored = await self._store.update(record)
                except ConflictError:
                    await self._read()
                else:
                    self._step_down()
                    self._take_note(stored)
                    _log.info("handed over", term=stored.term, open=len(names.open))
        except (OutsideError, TimeoutError) as error:
            self._step_down()
            _log.warning("could not hand over: another replica takes over when the Lease expires", error=_text(error))

    async def _read(self) -> None:
        """Learn how the Lease is now: a conflict may come from our own earlier write."""
        try:
            async with asyncio.timeout(WRITE_SECONDS):
                record = await self._store.read()
        except NotFoundError:
            self._lose(_MISSING)
        else:
            if self._record is None or record.resource_version != self._record.resource_version:
                self._take_note(record)

    def _take_note(self, record: LeaseRecord) -> None:
        """This is how the Lease is now."""
        self._record = record
        self._observed_at = self._clock.now()
        if record.term > 0 and not record.fault:  # a Lease that nobody has held yet tells nothing of what was granted
            self._lost_since = None
        if self._ours:
            if record.holder == self._replica.identity and not record.fault:
                self._decider.openings.confirm(record.open)
            else:
                _log.warning("the Lease is no longer ours", term=record.term, holder=record.holder, fault=record.fault)
                self._step_down()
        self._pulse()

    def _lose(self, reason: str) -> None:
        """Nobody knows what was granted: nobody decides until nothing of that can be on its way any more."""
        self._step_down()
        if reason == _MISSING:
            self._record = None
        if self._lost_since is not None:
            return
        self._lost_since = self._clock.now()
        _log.warning(
            "nobody knows what was granted lately: waiting until nothing of it can be on its way",
            reason=f"Lease {LEASE_NAME}: {reason}",
            seconds=self._decider.ledger.in_flight_bound,
        )
        self._pulse()

    def _step_down(self) -> None:
        if self._ours:
            self._ours = False
            self._caught_up = False
            if self._catching_up is not None:
                self._catching_up.cancel()
            self._decider.step_down()
            self._wishes.refuse_all(_STOPPING if self._resigning else _ELSEWHERE)

    def _pulse(self) -> None:
        """Whoever waits for a change looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self._wake.set()
        self._account()

    def _account(self) -> None:
        """Count the time in which nobody decides."""
        known = self.deciding or self.endpoint_of_decider is not None
        if known and self._leaderless_since is not None:
            self._leaderless += self._clock.now() - self._leaderless_since
            self._leaderless_since = None
        elif not known and self._leaderless_since is None:
            self._leaderless_since = self._clock.now()

    async def _sleep(self, seconds: float) -> None:
        """Wait so long, or until something has changed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._wake.wait()

    def _hindrance(self) -> str:
        """Why this replica may not grant at this moment; empty if it may."""
        if self._resigning:
            return _STOPPING
        if not self._ours:
            return _ELSEWHERE if self._lost_since is None else f"nobody knows what was granted lately ({LEASE_NAME})"
        if not self._caught_up:
            return "this replica has just taken over and is not up to date yet"
        if self._clock.now() - self._renewed_at >= LEASE_SECONDS - MARGIN_SECONDS:
            return f"Lease {LEASE_NAME} could not be renewed in time"
        return "; ".join(self._obstacles())

    def _expired(self, record: LeaseRecord) -> bool:
        return self._clock.now() - self._observed_at >= self._duration(record)

    def _duration(self, record: LeaseRecord) -> float:
        """How long the holder may be silent: as long as it says, or as long as we would be."""
        return max(record.duration, LEASE_SECONDS)


def _naming(record: LeaseRecord, names: Names) -> LeaseRecord:
    """The Lease with other names; what a successor must have seen only grows."""
    seen = dict(record.seen)
    for kind, version in names.seen.items():
        seen[kind] = max(version, seen.get(kind, 0))
    return record._replace(open=names.open, seen=seen, last=record.last if names.last is None else names.last)


def _text(error: BaseException) -> str:
    return str(error) or "no answer in time"
