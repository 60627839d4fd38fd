import asyncio

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import FIRST, need
from tests.unit.election.candidates import (
    HELD,
    ON_THE_WAY,
    Candidate,
    Fate,
    LoopClock,
    StoredLease,
    until_deciding,
)

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest, Allocated
from kubemacpool.election.timing import LEASE_SECONDS, RENEWAL_SECONDS, SIGHT_SECONDS
from kubemacpool.ports import RetryLaterError

ELSEWHERE = 0x0A_00_00_00_00_01
MOMENT = 10 * ON_THE_WAY


async def _decided(store: StoredLease, *, watches: bool = True) -> Candidate:
    """A replica that decides, and has allocated the first address of the pool to an object that was not seen yet."""
    candidate = Candidate("a", store, watches=watches)
    await until_deciding(candidate)
    await candidate.elector.reserve(need((), 1))
    request = AddressRequest(Party("Pod", "default", "a"), (None,))
    assert candidate.core.decide(request, LoopClock().now()) == Allocated((FIRST,))
    return candidate


async def test_the_block_is_given_back_and_nobody_holds_the_lease() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    assert len(store.writes[-1].reserved) > 1
    candidate.elector.resign()
    await candidate.running
    assert store.record is not None
    assert (store.record.holder, store.record.endpoint) == ("", "")
    assert store.record.reserved == {FIRST}, "what was allocated and not seen stays named"
    assert store.record.last == FIRST
    assert store.record.transitions == 1


async def test_leading_stops_before_the_lease_is_written() -> None:
    candidate = await _decided(StoredLease())
    candidate.elector.resign()
    assert not candidate.leading
    with pytest.raises(RetryLaterError, match=r"^this replica is shutting down$"):
        candidate.elector.check()


@pytest.mark.parametrize("watches", [True, False])
async def test_a_successor_takes_over_at_once_with_next_to_nothing_in_doubt(watches: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease()
    candidate = await _decided(store, watches=watches)
    successor = Candidate("b", store)
    candidate.elector.resign()
    await until_deciding(successor, within=SIGHT_SECONDS + 2 * MOMENT)
    await candidate.running
    assert successor.core.ledger.in_doubt_count == 1
    assert successor.elector.transitions == 2
    assert successor.elector.seconds_without_leader < 2 * MOMENT


async def test_what_was_allocated_a_moment_ago_is_seen_before_the_hand_over_and_so_is_not_in_doubt() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    successor = Candidate("b", store)
    candidate.elector.resign()
    await asyncio.sleep(MOMENT)
    assert store.record is not None
    assert store.record.holder, "it waits"
    pod = ObjectKey("Pod", "default", "a")
    candidate.core.ledger.observe(Holder(pod, "uid", Party(*pod), (FIRST,)), LoopClock().now())
    await until_deciding(successor, within=2 * MOMENT)
    assert successor.core.ledger.in_doubt_count == 0


async def test_a_hand_over_in_good_order_is_no_warning() -> None:
    candidate = await _decided(StoredLease())
    with capture_logs() as logs:
        candidate.elector.resign()
        await candidate.running
    assert [(line["log_level"], line["event"], line["reserved"]) for line in logs] == [("info", "released", 1)]


async def test_where_the_successor_is_can_be_asked_after_the_hand_over() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    successor = Candidate("b", store)
    candidate.elector.resign()
    await candidate.running
    assert candidate.elector.leader_endpoint is None
    await until_deciding(successor)
    await candidate.elector.until_changed(1.0)
    assert candidate.elector.leader_endpoint == "b:8000"


async def test_an_answer_that_comes_after_the_watch_told_of_the_successor_takes_nothing_back() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    successor = Candidate("b", store)
    store.slowness = MOMENT
    with capture_logs() as logs:
        candidate.elector.resign()
        await candidate.running
    assert store.record is not None
    assert store.record.holder == "b"
    assert candidate.elector.leader_endpoint == "b:8000"
    assert [line["event"] for line in logs if line["log_level"] == "warning"] == []
    await until_deciding(successor)


async def test_an_answer_that_comes_after_the_watch_told_of_the_deletion_does_not_bring_the_lease_back() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    store.slowness = MOMENT
    candidate.elector.resign()
    while store.writes[-1].holder:  # noqa: ASYNC110 (the store has no event to tell a test)
        await asyncio.sleep(ON_THE_WAY / 10)
    store.delete()
    await candidate.running
    assert candidate.elector.transitions == 0


async def test_those_that_wait_for_a_write_are_told() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    store.fates.append("not made")
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(0)
    candidate.elector.resign()
    with pytest.raises(RetryLaterError, match=r"^this replica is shutting down$"):
        await reserving


async def test_what_is_under_way_when_it_resigns_is_still_written() -> None:
    store = StoredLease()
    candidate = await _decided(store)
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(ON_THE_WAY / 2)
    candidate.elector.resign()
    await reserving
    await candidate.running
    assert store.record is not None
    assert store.record.holder == ""


@pytest.mark.parametrize("fate", ["not made", "never answered", "answer lost"])
async def test_a_hand_over_that_fails_is_said_and_the_successor_waits_for_the_lease_to_expire(fate: Fate) -> None:
    store = StoredLease()
    candidate = await _decided(store, watches=False)
    successor = Candidate("b", store)
    store.fates.append(fate)
    with capture_logs() as logs:
        candidate.elector.resign()
        await candidate.running
    assert not candidate.leading
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert warning["event"].startswith("could not release the Lease")
    await until_deciding(successor, within=MOMENT if fate == "answer lost" else LEASE_SECONDS + MOMENT)


async def test_a_hand_over_that_runs_into_an_earlier_write_of_our_own_is_made_after_a_look() -> None:
    store = StoredLease()
    candidate = await _decided(store, watches=False)
    store.fates.append("answer lost")
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(ON_THE_WAY / 2)
    candidate.elector.resign()
    await candidate.running
    assert store.requests[-4:] == ["update", "update", "read", "update"]
    assert store.record is not None
    assert store.record.holder == ""
    with pytest.raises(RetryLaterError):
        await reserving


async def test_what_belongs_to_another_meanwhile_is_not_handed_over() -> None:
    store = StoredLease()
    candidate = await _decided(store, watches=False)
    theirs = store.put(HELD._replace(transitions=9))
    candidate.elector.resign()
    await candidate.running
    assert store.record == theirs


@pytest.mark.parametrize("told", [True, False])
async def test_a_lease_that_is_gone_when_it_is_handed_over_ends_it(told: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease()
    candidate = await _decided(store)
    store.delete(told=told)
    candidate.elector.resign()
    await candidate.running
    assert not candidate.leading
    assert store.record is None


async def test_who_does_not_hold_the_lease_writes_nothing_when_it_resigns() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    await asyncio.sleep(RENEWAL_SECONDS)
    candidate.elector.resign()
    await candidate.running
    assert store.requests == []
