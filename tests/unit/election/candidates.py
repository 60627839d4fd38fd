"""A Lease in memory, whose answers may be lost, and replicas that stand for it."""

import asyncio
from collections import deque
from typing import Literal

from tests.unit.doubles import new_allocator

from kubemacpool.election.elector import Elector, Member
from kubemacpool.election.leadership import KindView
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError
from kubemacpool.progress import ViewProgress
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity

BOUND = 120.0
"""Seconds, of every leader in `doubles`."""

ON_THE_WAY = 0.005
"""Seconds that a request takes to the API server, an answer back, and an event to those who watch."""

VIRGIN = LeaseRecord("", "", 0, 0, frozenset(), {}, None, "")
"""A Lease as the release manifest has it."""

HELD = VIRGIN._replace(holder="other", endpoint="other:8000", transitions=3, duration=5)
"""A Lease that another replica holds, which is not part of the test."""

Fate = Literal["made", "not made", "answer lost", "never answered"]
"""What becomes of a request."""


class LoopClock:
    """The time of the running event loop."""

    def now(self) -> float:
        """Seconds."""
        return asyncio.get_running_loop().time()


class StoredLease:
    """The Lease as the API server keeps it (implements `LeaseStore`), with a watch."""

    def __init__(self, record: LeaseRecord | None = VIRGIN) -> None:
        self.record: LeaseRecord | None = None
        self.fates: deque[Fate] = deque()
        """Of the next requests; all others are made."""
        self.default: Fate = "made"
        self.requests: list[str] = []
        """Every request, as it arrived."""
        self.writes: list[LeaseRecord] = []
        """Every state that was written."""
        self.slowness = 0.0
        """Seconds that an answer takes longer."""
        self.watchers: list[Elector] = []
        self._version = 100
        if record is not None:
            self.put(record)

    # What replicas do

    async def read(self) -> LeaseRecord:
        """The Lease."""
        await self._arrive("read")
        return await self._leave(self._existing())

    async def create(self) -> LeaseRecord:
        """A virgin one."""
        fate = await self._arrive("create")
        if self.record is not None:
            raise ConflictError("it exists")
        if fate == "not made":
            raise ClusterUnavailableError("no connection")
        return await self._leave(self.put(VIRGIN), fate)

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:
        """Writes it, if it has not changed."""
        fate = await self._arrive("acquire" if acquired else "update")
        if fate == "not made":
            raise ClusterUnavailableError("no connection")
        if record.resource_version != self._existing().resource_version:
            raise ConflictError("it was changed")
        stored = self.put(record._replace(fault=""))  # every annotation is written anew
        self.writes.append(stored)
        return await self._leave(stored, fate)

    # What the test does

    def put(self, record: LeaseRecord) -> LeaseRecord:
        """Somebody makes the Lease say this."""
        self._version += 1
        self.record = record._replace(resource_version=str(self._version))
        for watcher in self.watchers:
            self.tell(watcher, self.record)
        return self.record

    def restore(self, record: LeaseRecord) -> None:
        """The cluster begins again where it was before."""
        self._version = 50
        self.put(record)

    def delete(self, *, told: bool = True) -> None:
        """Somebody deletes it."""
        self.record = None
        for watcher in self.watchers if told else ():
            asyncio.get_running_loop().call_later(ON_THE_WAY, watcher.gone, _identity())

    def tell(self, watcher: Elector, record: LeaseRecord) -> None:
        """The watch tells of a state of the Lease, a little later."""
        version = int(record.resource_version)
        asyncio.get_running_loop().call_later(ON_THE_WAY, watcher.present, _identity(), record, version)

    def count(self, kind: str) -> int:
        """How many requests of a kind there were."""
        return self.requests.count(kind)

    async def _arrive(self, request: str) -> Fate:
        await asyncio.sleep(ON_THE_WAY)
        self.requests.append(request)
        fate = self.fates.popleft() if self.fates else self.default
        if fate == "never answered":
            await asyncio.Event().wait()
        return fate

    async def _leave(self, answer: LeaseRecord, fate: Fate = "made") -> LeaseRecord:
        await asyncio.sleep(ON_THE_WAY + self.slowness)
        if fate == "answer lost":
            raise ClusterUnavailableError("the connection broke")
        return answer

    def _existing(self) -> LeaseRecord:
        if self.record is None:
            raise NotFoundError("there is none")
        return self.record


class Candidate:
    """A replica that takes part in the election.

    Args:
        name: its identity.
        store: where the Lease is.
        looks: whether its watch on the Lease has told how that is.
        watches: whether its watch tells of changes.
    """

    def __init__(self, name: str, store: StoredLease, *, looks: bool = True, watches: bool = True) -> None:
        self.name = name
        self.store = store
        self.core = new_allocator(size=64)
        self.obstacles: list[str] = []
        self.progress = ViewProgress()
        self.progress.reached(1)
        self.relists = 0
        self.let_relist = asyncio.Event()
        self.let_relist.set()
        self.elector = Elector(
            Member(name, f"{name}:8000"),
            store,
            self.core,
            {"Pod": KindView(self.progress, self._relist)},
            lambda: self.obstacles,
            LoopClock(),
        )
        if watches:
            store.watchers.append(self.elector)
        if looks:
            self.look()
        self.running = asyncio.create_task(self.elector.run())

    @property
    def leading(self) -> bool:
        """Whether it may allocate."""
        return self.elector.leading

    def look(self) -> None:
        """The watch tells what is there, as it does when it begins."""
        record = self.store.record
        if record is not None:
            self.elector.present(_identity(), record, int(record.resource_version))
        self.elector.reached(1)

    def crash(self) -> None:
        """It is gone at once."""
        self.running.cancel()
        if self.elector in self.store.watchers:
            self.store.watchers.remove(self.elector)

    async def _relist(self) -> None:
        self.relists += 1
        await self.let_relist.wait()


async def until_deciding(*candidates: Candidate, within: float = 3600.0) -> Candidate:
    """The first of these to decide."""
    async with asyncio.timeout(within):
        while True:
            for candidate in candidates:
                if candidate.leading:
                    return candidate
            await asyncio.sleep(ON_THE_WAY)


async def decided_for(candidate: Candidate) -> float:
    """Waits until it does not decide any more; for how many seconds it went on."""
    clock = LoopClock()
    began = clock.now()
    while candidate.leading:  # noqa: ASYNC110 (the Lease expires without an event)
        await asyncio.sleep(0.01)
    return clock.now() - began


def _identity() -> ObjectIdentity:
    return ObjectIdentity("kubemacpool-system", LEASE_NAME, "u1")
