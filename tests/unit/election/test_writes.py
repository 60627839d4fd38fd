"""The Lease while it is ours: who may allocate, and what is written."""

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
    decided_for,
    until_deciding,
)

from kubemacpool.core import allocator as core_decider
from kubemacpool.core.budgets import SHARE
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Allocated
from kubemacpool.election.timing import LEASE_SECONDS, MARGIN_SECONDS, RENEWAL_SECONDS, RETRY_SECONDS, WRITE_SECONDS
from kubemacpool.ports import RetryLaterError

ELSEWHERE = 0x0A_00_00_00_00_01
MOMENT = 10 * ON_THE_WAY
SMALL = 0.02


async def _leading(store: StoredLease, *, watches: bool = True) -> Candidate:
    """A replica that decides and has just renewed the Lease."""
    candidate = Candidate("a", store, watches=watches)
    await until_deciding(candidate)
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    store.requests.clear()
    return candidate


# Rule 6


@pytest.mark.parametrize("fate", ["not made", "never answered", "answer lost"])
async def test_a_leader_that_cannot_renew_stops_a_second_before_anybody_else_may_begin(fate: Fate) -> None:
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    store.default = fate
    age = candidate.elector.seconds_since_renewal
    lasted = age + await decided_for(candidate)
    assert abs(lasted - (LEASE_SECONDS - MARGIN_SECONDS)) < SMALL
    with pytest.raises(RetryLaterError, match=r"^Lease kubemacpool-leader could not be renewed in time$"):
        candidate.elector.check()


async def test_a_renewal_counts_from_when_it_was_sent_and_not_from_its_answer() -> None:
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    store.slowness = 1.5
    await candidate.elector.reserve(need((), 0))
    assert candidate.elector.seconds_since_renewal >= store.slowness


async def test_a_leader_that_can_renew_again_goes_on_under_the_same_term() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.default = "not made"
    await decided_for(candidate)
    store.default = "made"
    await until_deciding(candidate, within=1.0)
    assert candidate.elector.transitions == 1


async def test_a_healthy_leader_with_nothing_to_do_only_renews() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    await asyncio.sleep(100 * RENEWAL_SECONDS)
    assert 95 <= len(store.requests) <= 100
    assert set(store.requests) == {"update"}
    assert candidate.elector.seconds_since_renewal <= RENEWAL_SECONDS + MOMENT


async def test_who_learns_that_another_has_the_lease_stops_at_once() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    with capture_logs() as logs:
        store.put(HELD._replace(transitions=7))
        await asyncio.sleep(2 * ON_THE_WAY)
    assert not candidate.leading
    assert candidate.elector.leader_endpoint == "other:8000"
    assert len(candidate.core.reservations) == 0
    assert [(line["event"], line["holder"]) for line in logs] == [("the Lease is no longer ours", "other")]


async def test_who_is_not_told_that_another_has_the_lease_learns_it_from_the_next_write() -> None:
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    store.put(HELD._replace(transitions=7))
    await asyncio.sleep(RENEWAL_SECONDS)
    assert store.requests == ["update", "read"]
    assert candidate.elector.leader_endpoint == "other:8000"


# Rule 1


async def test_those_that_ask_while_a_write_is_under_way_share_the_next_one() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    first = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(ON_THE_WAY / 2)
    others = [candidate.elector.reserve(need((ELSEWHERE + number,), 0)) for number in range(1, 50)]
    await asyncio.gather(first, *others)
    assert store.requests == ["update", "update"]
    assert all(ELSEWHERE + number in store.writes[-1].reserved for number in range(1, 50))


async def test_an_address_is_open_once_the_write_that_names_it_is_confirmed() -> None:
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(1.5 * ON_THE_WAY)
    assert store.record is not None
    assert ELSEWHERE in store.record.reserved
    assert ELSEWHERE not in candidate.core.reservations, "the answer is on its way"
    await reserving
    assert ELSEWHERE in candidate.core.reservations


async def test_an_address_that_somebody_took_out_of_the_lease_is_not_open_by_an_answer_that_came_later() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.slowness = MOMENT
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(1.5 * ON_THE_WAY)
    assert store.record is not None
    assert ELSEWHERE in store.record.reserved
    store.put(store.record._replace(reserved=frozenset()))
    await reserving
    assert ELSEWHERE not in candidate.core.reservations
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert set(store.requests) == {"update"}, "the next write is made upon what the watch told"
    assert candidate.leading


async def test_an_address_that_a_write_leaves_out_is_not_open_from_when_it_was_sent() -> None:
    """It may be made or not; the leader next may not find the address in the Lease."""
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    await candidate.elector.reserve(need((ELSEWHERE,), 0))
    assert ELSEWHERE in candidate.core.reservations
    store.default = "never answered"
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert candidate.leading
    assert ELSEWHERE not in candidate.core.reservations


async def test_what_was_allocated_stays_named_until_it_was_seen() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    await candidate.elector.reserve(need((ELSEWHERE,), 0))
    request = AddressRequest(Party("Pod", "default", "a"), (ELSEWHERE,))
    assert candidate.core.decide(request, LoopClock().now()) == Allocated((ELSEWHERE,))
    await asyncio.sleep(10 * RENEWAL_SECONDS)
    assert store.record is not None
    assert ELSEWHERE in store.record.reserved


@pytest.mark.parametrize("watches", [True, False])
@pytest.mark.parametrize("fate", ["not made", "never answered", "answer lost"])
async def test_who_waits_for_a_write_that_fails_gets_the_next_one(fate: Fate, watches: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease()
    candidate = await _leading(store, watches=watches)
    store.fates.append(fate)
    began = LoopClock().now()
    await candidate.elector.reserve(need((ELSEWHERE,), 0))
    assert ELSEWHERE in candidate.core.reservations
    assert candidate.elector.transitions == 1, "an earlier write of our own is no reason to give up"
    assert LoopClock().now() - began < WRITE_SECONDS + RETRY_SECONDS + MOMENT


async def test_who_waits_for_a_write_that_cannot_be_made_is_told_so() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.default = "not made"
    with pytest.raises(RetryLaterError, match=r"^Lease kubemacpool-leader could not be written$"):
        await candidate.elector.reserve(need((ELSEWHERE,), 0))


async def test_who_gave_up_waiting_is_not_named() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(0)
    reserving.cancel()
    await asyncio.sleep(2 * RENEWAL_SECONDS)
    assert ELSEWHERE not in store.writes[-1].reserved


@pytest.mark.parametrize("fate", ["made", "not made", "answer lost"])
async def test_who_gives_up_while_the_write_is_under_way_is_named_by_no_other(fate: Fate) -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.fates.append(fate)
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(1.5 * ON_THE_WAY)
    assert store.requests == ["update"]
    reserved = [ELSEWHERE in write.reserved for write in store.writes[-1:]]
    assert reserved == [fate != "not made"]
    reserving.cancel()
    await asyncio.sleep(2 * RENEWAL_SECONDS)
    assert reserving.cancelled()
    assert ELSEWHERE not in store.writes[-1].reserved
    assert ELSEWHERE not in candidate.core.reservations


async def test_who_waits_when_the_lease_goes_to_another_is_told_who_to_ask() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.default = "never answered"
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(MOMENT)
    store.put(HELD._replace(transitions=7))
    await asyncio.sleep(WRITE_SECONDS)
    assert reserving.done()
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        await reserving


async def test_a_write_whose_answer_comes_after_another_has_taken_the_lease_opens_nothing() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    store.slowness = 1.0
    reserving = asyncio.create_task(candidate.elector.reserve(need((ELSEWHERE,), 0)))
    await asyncio.sleep(2 * ON_THE_WAY)
    store.put(HELD._replace(transitions=7))
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        await reserving
    assert ELSEWHERE in store.writes[-1].reserved, "it was made"
    assert len(candidate.core.reservations) == 0
    assert candidate.elector.leader_endpoint == "other:8000"


async def test_nobody_has_anything_named_by_a_replica_that_does_not_decide() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        await candidate.elector.reserve(need((ELSEWHERE,), 0))
    assert store.requests == []


async def test_more_names_than_the_lease_has_room_for_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(core_decider, "MOST_RESERVED", 20)
    store = StoredLease()
    candidate = await _leading(store)
    with pytest.raises(RetryLaterError, match=r"^too many addresses are on their way to the cluster$"):
        await candidate.elector.reserve(need(range(ELSEWHERE, ELSEWHERE + 50), 0))
    assert store.record is not None
    assert len(store.record.reserved) <= 20
    await candidate.elector.reserve(need((ELSEWHERE,), 0))


async def test_one_namespace_that_asks_for_too_much_is_told_so_and_keeps_nobody_waiting_who_shares_the_write() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    writes = len(store.writes)
    greedy = need(range(ELSEWHERE, ELSEWHERE + SHARE + 1), 0, "greedy")
    others = [need((ELSEWHERE + 5_000 + number,), 0, f"ns-{number}") for number in range(3)]
    told, *served = await asyncio.gather(*map(candidate.elector.reserve, (greedy, *others)), return_exceptions=True)
    assert served == [None] * 3
    assert isinstance(told, RetryLaterError)
    assert str(told).startswith(
        f"0 addresses are on their way to namespace greedy, and this object needs {SHARE + 1} more; the limit of a "
        f"namespace is {SHARE}; "
    )
    assert len(store.writes) == writes + 1
    assert {each.addresses[0] for each in others} <= store.writes[-1].reserved
    assert ELSEWHERE not in store.writes[-1].reserved


async def test_a_block_that_is_nearly_used_up_is_extended_before_the_renewal_is_due() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    before = candidate.core.next_update((), 0).reserved
    for number in range(len(before)):
        request = AddressRequest(Party("Pod", "default", f"pod-{number}"), (None,))
        assert isinstance(candidate.core.decide(request, LoopClock().now()), Allocated)
    assert store.requests == []
    candidate.elector.extend_soon()
    await asyncio.sleep(MOMENT)
    assert store.requests == ["update"]
    assert store.record is not None
    assert len(store.record.reserved) == 2 * len(before), "those allocated, and as many set aside anew"


async def test_who_is_woken_and_has_nothing_to_write_waits_for_the_renewal() -> None:
    store = StoredLease()
    candidate = await _leading(store)
    await asyncio.sleep(RENEWAL_SECONDS - candidate.elector.seconds_since_renewal - MOMENT)
    candidate.elector.extend_soon()
    await asyncio.sleep(MOMENT / 2)
    assert store.requests == []
    await asyncio.sleep(MOMENT)
    assert store.requests == ["update"]


async def test_what_a_successor_must_have_seen_grows_and_never_shrinks() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 1}))
    candidate = Candidate("a", store)
    candidate.core.ledger._sighted["Pod"] = 50
    await until_deciding(candidate)
    await candidate.elector.reserve(need((), 0))
    assert store.writes[-1].seen == {"Pod": 50}
    candidate.core.ledger._sighted["Pod"] = 40
    await candidate.elector.reserve(need((), 0))
    assert store.writes[-1].seen == {"Pod": 50}


async def test_where_the_search_goes_on_is_kept_until_it_has_moved() -> None:
    store = StoredLease(HELD._replace(holder="", last=FIRST + 9))
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    await candidate.elector.reserve(need((), 1))
    assert store.writes[-1].last == FIRST + 9
    request = AddressRequest(Party("Pod", "default", "a"), (None,))
    assert candidate.core.decide(request, LoopClock().now()) == Allocated((FIRST + 10,))
    await candidate.elector.reserve(need((), 1))
    assert store.writes[-1].last == FIRST + 10


async def test_a_read_that_fails_after_a_conflict_is_tried_again() -> None:
    store = StoredLease()
    candidate = await _leading(store, watches=False)
    assert store.record is not None
    store.put(store.record)
    store.fates.extend(["made", "never answered"])
    with capture_logs() as logs:
        await asyncio.sleep(RENEWAL_SECONDS + WRITE_SECONDS + RETRY_SECONDS + MOMENT)
    assert not candidate.running.done()
    assert candidate.leading
    assert [line["log_level"] for line in logs] == ["warning"]
