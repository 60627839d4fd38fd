"""Requests whose addresses are named by writes that follow each other without a pause."""

import asyncio

from tests.unit.doubles import FIRST, ManualClock, NobodyLeads, need, new_allocator

from kubemacpool.admission.allocation import AddressAllocation, Resolution
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Allocated, Unreserved
from kubemacpool.election.leadership import HeldLease
from kubemacpool.election.lease_writer import LeaseWriter, Member
from kubemacpool.ports import ClusterUnavailableError
from kubemacpool.wire.lease import LeaseRecord

EMPTY = LeaseRecord("a", "", 1, 5, frozenset(), {}, None, "1")


class EchoingStore:
    """Makes every write, or none, after a turn of the event loop, and counts them."""

    def __init__(self) -> None:
        self.writes = 0
        self.fails = False

    async def read(self) -> LeaseRecord:
        """Not needed here."""
        raise NotImplementedError

    async def create(self) -> LeaseRecord:
        """Not needed here."""
        raise NotImplementedError

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:  # noqa: ARG002 (as the port has it)
        """Makes one."""
        self.writes += 1
        await asyncio.sleep(0)
        if self.fails:
            await asyncio.sleep(0)
            raise ClusterUnavailableError("no connection")
        return record


class Office(NobodyLeads):
    """A replica whose Lease it is, and which writes it again as soon as it was written."""

    def __init__(self, core: Allocator) -> None:
        super().__init__()
        self.store = EchoingStore()
        clock = ManualClock()
        self._held = HeldLease(LeaseWriter(Member("a", ""), self.store), core, {}, clock, lambda: None)
        self._held.begin(EMPTY, clock.now(), afresh=False)
        self.allocation = AddressAllocation(core, self, lambda _: None, clock)

    @property
    def due_in(self) -> float:
        """Seconds until the next write."""
        return self._held.due_in

    def check(self) -> None:
        """It may decide."""

    async def reserve(self, unreserved: Unreserved) -> None:
        """Waits for a write."""
        await self._held.reserve(unreserved)

    def extend_soon(self) -> None:
        """Writes follow anyway."""

    async def write(self, record: LeaseRecord = EMPTY) -> LeaseRecord:
        """One write, confirmed."""
        stored = await self._held.renew(record) or EMPTY
        self._held.confirm(stored)
        return stored

    async def write_without_pause(self) -> None:
        """One write after the other."""
        record = EMPTY
        while True:
            record = await self.write(record)


def asks_for(name: str, *wanted: int | None) -> AddressRequest:
    """A pod that asks for these."""
    return AddressRequest(Party("Pod", "default", name), wanted)


async def test_an_address_stays_named_until_the_request_that_waited_for_it_has_gone_on() -> None:
    office = Office(new_allocator(size=32))
    writing = asyncio.create_task(office.write_without_pause())
    requests = [asks_for(f"pod-{number}", FIRST + 8 + number, None) for number in range(8)]
    outcomes = await asyncio.gather(*(office.allocation.allocate(each, Resolution.REFUSE) for each in requests))
    writing.cancel()
    assert [type(outcome.decision) for outcome in outcomes] == [Allocated] * 8


async def test_what_was_named_for_a_request_that_has_gone_on_is_named_no_longer() -> None:
    core = new_allocator(size=32)
    office = Office(core)
    reserving = asyncio.create_task(office.reserve(need((FIRST + 20,), 0)))
    writing = asyncio.create_task(office.write_without_pause())
    await reserving
    await asyncio.sleep(0)  # the first write after it has begun
    writing.cancel()
    assert FIRST + 20 not in core.reservations


async def test_who_is_cancelled_between_the_write_and_its_turn_does_not_stay_named() -> None:
    core = new_allocator(size=32)
    office = Office(core)
    reserving = asyncio.create_task(office.reserve(need((FIRST + 20,), 0)))
    await asyncio.sleep(0)
    await office.write()
    assert FIRST + 20 in core.reservations
    reserving.cancel()
    await asyncio.gather(reserving, return_exceptions=True)
    assert reserving.cancelled()
    await office.write()
    assert FIRST + 20 not in core.reservations


async def test_who_is_cancelled_while_it_waits_leaves_nothing_to_be_written_for() -> None:
    core = new_allocator(size=32)
    office = Office(core)
    await office.write()
    assert office.due_in > 0.0
    reserving = asyncio.create_task(office.reserve(need((FIRST + 20,), 3)))
    await asyncio.sleep(0)
    assert office.due_in == 0.0
    reserving.cancel()
    await asyncio.gather(reserving, return_exceptions=True)
    assert office.due_in > 0.0
    await office.write()
    assert FIRST + 20 not in core.reservations


async def test_who_is_cancelled_while_a_write_fails_is_no_reason_for_the_next_one() -> None:
    core = new_allocator(size=32)
    office = Office(core)
    await office.write()
    reserving = asyncio.create_task(office.reserve(need((FIRST + 20,), 0)))
    await asyncio.sleep(0)
    office.store.fails = True
    writing = asyncio.create_task(office.write())
    await asyncio.sleep(0)  # the write is under way
    reserving.cancel()
    await asyncio.gather(reserving, writing, return_exceptions=True)
    assert isinstance(writing.exception(), ClusterUnavailableError)
    assert office.due_in > 0.0
