"""The Lease was deleted, made anew by hand, or written by a newer program: nobody knows what was allocated lately."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import FIRST, need
from tests.unit.election.candidates import (
    BOUND,
    HELD,
    ON_THE_WAY,
    VIRGIN,
    Candidate,
    LoopClock,
    StoredLease,
    until_deciding,
)

from kubemacpool.election.timing import CATCH_UP_SECONDS, LEASE_SECONDS, RENEWAL_SECONDS, RETRY_SECONDS
from kubemacpool.ports import RetryLaterError

MOMENT = 10 * ON_THE_WAY
NEWER = HELD._replace(fault="annotation kubemacpool.io/format is 2, and this program understands up to 1")
LOST = r"^nobody knows what was allocated lately \(kubemacpool-leader\)$"


async def _nobody_decides_for(seconds: float, *candidates: Candidate) -> None:
    """Watches for so long."""
    clock = LoopClock()
    end = clock.now() + seconds
    while clock.now() < end:
        assert not any(candidate.leading for candidate in candidates)
        await asyncio.sleep(0.01)


@pytest.mark.parametrize("told", [True, False], ids=["told by the watch", "told by the next write"])
async def test_a_lease_deleted_while_one_leads_is_made_anew_once_nothing_can_be_on_its_way(told: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.delete(told=told)
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    with pytest.raises(RetryLaterError, match=LOST):
        candidate.elector.check()
    await _nobody_decides_for(BOUND - RENEWAL_SECONDS - MOMENT, candidate)
    assert store.count("create") == 0, "nobody has made it before"
    candidate.let_relist.clear()
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert store.record is not None
    assert (store.record.holder, store.record.transitions) == ("a", 1)
    assert not candidate.leading, "what was allocated then may be what its watch has not told yet"
    candidate.let_relist.set()
    await until_deciding(candidate, within=MOMENT)
    assert candidate.relists == 1
    assert candidate.core.ledger.in_doubt_count == 0


async def test_it_is_said_once_for_how_long_nobody_leads() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    with capture_logs() as logs:
        store.delete()
        await asyncio.sleep(BOUND - 1.0)
    (warning,) = [line for line in logs if line["log_level"] == "warning"]
    assert warning["reason"] == "Lease kubemacpool-leader: it does not exist"
    assert warning["seconds"] == BOUND


async def test_those_that_wait_when_the_lease_is_deleted_are_told_why() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    reserving = asyncio.create_task(candidate.elector.reserve(need((FIRST,), 0)))
    await asyncio.sleep(0)
    store.delete(told=False)
    with pytest.raises(RetryLaterError, match=r"^Lease kubemacpool-leader: it does not exist$"):
        await reserving


async def test_every_replica_waits_and_one_of_them_leads_then() -> None:
    store = StoredLease()
    both = [Candidate("a", store), Candidate("b", store)]
    await until_deciding(*both)
    store.delete()
    await asyncio.sleep(MOMENT)
    await _nobody_decides_for(BOUND - 2 * MOMENT, *both)
    await asyncio.sleep(2 * MOMENT + 1.0)
    assert [candidate.leading for candidate in both].count(True) == 1
    assert [candidate.relists for candidate in both if candidate.leading] == [1]
    assert store.count("create") == 1, "the one that decided knows first that nothing is on its way"


async def test_a_cluster_without_a_lease_is_given_one_after_the_wait() -> None:
    """It may have been deleted while no replica was running."""
    store = StoredLease(None)
    candidate = Candidate("a", store)
    await _nobody_decides_for(LEASE_SECONDS + BOUND - MOMENT, candidate)
    await until_deciding(candidate, within=2 * MOMENT)
    assert candidate.relists == 1


async def test_who_looks_again_shortly_before_the_wait_is_over_goes_on_waiting() -> None:
    store = StoredLease(None)
    candidate = Candidate("a", store)
    await asyncio.sleep(LEASE_SECONDS + BOUND - MOMENT)
    candidate.elector.extend_soon()
    await asyncio.sleep(MOMENT - ON_THE_WAY)
    assert store.requests == []


async def test_of_two_that_make_the_lease_anew_one_succeeds() -> None:
    store = StoredLease(None)
    both = [Candidate("a", store), Candidate("b", store)]
    await until_deciding(*both)
    assert store.count("create") == 2
    assert [candidate.leading for candidate in both].count(True) == 1


@pytest.mark.parametrize("holder", ["other", ""], ids=["held", "handed over"])
async def test_the_wait_counts_from_when_one_that_is_cut_off_must_have_stopped(holder: str) -> None:
    """It does not hear of the loss, and allocates for as long as its own clock says after its last renewal (rule 6)."""
    store = StoredLease(HELD._replace(holder="other"))
    candidate = Candidate("a", store)
    await asyncio.sleep(MOMENT)
    store.put(HELD._replace(holder=holder))
    store.delete()
    await _nobody_decides_for(LEASE_SECONDS + BOUND - MOMENT, candidate)
    await until_deciding(candidate, within=3 * MOMENT)
    assert candidate.relists == 1


async def test_one_that_was_paused_longer_than_the_lease_lasts_does_not_know_who_was_cut_off_meanwhile() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.default = "not made"
    await asyncio.sleep(2 * LEASE_SECONDS)
    store.default = "made"
    store.delete()
    await _nobody_decides_for(LEASE_SECONDS + BOUND - MOMENT, candidate)
    await until_deciding(candidate, within=3 * MOMENT)


async def test_a_lease_made_by_hand_after_a_loss_does_not_shorten_the_wait() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.delete()
    await asyncio.sleep(1.0)
    store.put(VIRGIN)
    await _nobody_decides_for(BOUND - 1.0 - MOMENT, candidate)
    await until_deciding(candidate, within=2 * MOMENT)
    assert candidate.relists == 1


@pytest.mark.parametrize("watches", [True, False])
async def test_a_lease_replaced_by_hand_is_a_lost_one(watches: bool) -> None:  # noqa: FBT001 (a case)
    """As `kubectl replace --force` does it: deleted, and there again before anybody has looked."""
    store = StoredLease()
    candidate = Candidate("a", store, watches=watches)
    await until_deciding(candidate)
    store.put(VIRGIN)
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    with pytest.raises(RetryLaterError, match=LOST):
        candidate.elector.check()
    await _nobody_decides_for(BOUND - RENEWAL_SECONDS - 2 * MOMENT, candidate)
    await until_deciding(candidate, within=RENEWAL_SECONDS + 3 * MOMENT)
    assert candidate.relists == 1


async def test_a_lease_deleted_between_a_conflict_and_the_look_that_follows_is_lost() -> None:
    store = StoredLease()
    candidate = Candidate("a", store, watches=False)
    await until_deciding(candidate)
    store.put(HELD)
    store.requests.clear()
    while store.requests != ["update"]:  # noqa: ASYNC110 (the store has no event to tell a test)
        await asyncio.sleep(ON_THE_WAY / 10)
    store.delete()
    await asyncio.sleep(MOMENT)
    assert store.requests == ["update", "read"]
    with pytest.raises(RetryLaterError, match=LOST):
        candidate.elector.check()


async def test_what_the_watch_tells_late_of_the_time_before_the_loss_changes_nothing() -> None:
    store = StoredLease()
    candidate = Candidate("a", store, watches=False)
    await until_deciding(candidate)
    before = store.record
    assert before is not None
    store.delete()
    await asyncio.sleep(BOUND / 2)
    store.requests.clear()
    store.tell(candidate.elector, before)
    await asyncio.sleep(MOMENT)
    with pytest.raises(RetryLaterError, match=LOST):
        candidate.elector.check()
    assert store.requests == []
    await until_deciding(candidate, within=BOUND / 2 + RENEWAL_SECONDS)


async def test_while_the_lease_cannot_be_made_it_is_tried_again_and_again() -> None:
    store = StoredLease(None)
    candidate = Candidate("a", store)
    await asyncio.sleep(LEASE_SECONDS + BOUND)
    store.fates.extend(["not made"] * 10)
    await until_deciding(candidate, within=11 * (RETRY_SECONDS + MOMENT))


async def test_whoever_saw_the_loss_lists_afresh_when_it_takes_over_from_the_one_who_made_the_lease_anew() -> None:
    """That one may have died before the Lease asked for all that is to be seen."""
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    store.delete()
    await asyncio.sleep(BOUND)
    store.put(HELD._replace(transitions=1, holder="another"))
    await asyncio.sleep(MOMENT)
    assert candidate.elector.leader_endpoint == "other:8000"
    await until_deciding(candidate, within=LEASE_SECONDS + MOMENT)
    assert candidate.relists == 1


async def test_whoever_has_listed_all_after_a_loss_need_not_do_so_at_its_next_acquisition() -> None:
    store = StoredLease(None)
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.put(HELD)
    await asyncio.sleep(MOMENT)
    assert not candidate.leading
    await until_deciding(candidate, within=LEASE_SECONDS + MOMENT)
    assert candidate.relists == 1


async def test_whoever_could_not_list_all_in_time_after_a_loss_does_so_at_its_next_acquisition() -> None:
    store = StoredLease(None)
    candidate = Candidate("a", store)
    candidate.let_relist.clear()
    await asyncio.sleep(LEASE_SECONDS + BOUND + CATCH_UP_SECONDS + LEASE_SECONDS / 2)
    assert store.record is not None
    assert store.record.holder == "", "it has let others try"
    candidate.let_relist.set()
    await until_deciding(candidate, within=LEASE_SECONDS)
    assert candidate.relists == 2, "the Lease asks for nothing, and its watch tells nothing new"


# A newer program


async def test_while_a_newer_program_holds_the_lease_reviews_can_be_handed_to_it() -> None:
    store = StoredLease(NEWER)
    candidate = Candidate("a", store)
    for _ in range(10):
        await asyncio.sleep(LEASE_SECONDS - 1.0)
        store.put(NEWER)
        assert candidate.elector.leader_endpoint == "other:8000"
    assert store.requests == []


@pytest.mark.parametrize("holder", ["", "other"], ids=["handed over", "silent"])
async def test_what_a_newer_program_left_is_taken_over_without_its_names_once_nothing_can_be_on_its_way(
    holder: str,
) -> None:
    store = StoredLease(NEWER._replace(holder=holder))
    candidate = Candidate("a", store)
    wait = BOUND + (LEASE_SECONDS if holder else 0.0)
    with capture_logs() as logs:
        await _nobody_decides_for(wait - MOMENT, candidate)
    assert store.requests == []
    assert [line["reason"] for line in logs if line["log_level"] == "warning"] == [
        f"Lease kubemacpool-leader: {NEWER.fault}"
    ]
    await until_deciding(candidate, within=2 * MOMENT)
    assert candidate.relists == 1
    assert candidate.elector.transitions == NEWER.transitions + 1
    assert store.writes[0].reserved == frozenset()


async def test_a_leader_whose_lease_a_newer_program_takes_stops() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.put(NEWER)
    await asyncio.sleep(MOMENT)
    assert not candidate.leading
    assert candidate.elector.leader_endpoint == "other:8000"


async def test_a_newer_program_that_comes_back_in_time_ends_the_wait() -> None:
    store = StoredLease(NEWER._replace(holder=""))
    candidate = Candidate("a", store)
    await asyncio.sleep(BOUND / 2)
    store.put(NEWER)
    await asyncio.sleep(MOMENT)
    assert candidate.elector.leader_endpoint == "other:8000"
    store.put(HELD._replace(holder="", transitions=9))
    await until_deciding(candidate, within=2 * MOMENT)


async def test_what_a_newer_program_allocated_after_it_came_back_is_waited_for_as_well() -> None:
    store = StoredLease(NEWER._replace(holder=""))
    candidate = Candidate("a", store)
    await asyncio.sleep(BOUND / 2)
    for _ in range(100):
        store.put(NEWER._replace(transitions=4))
        await asyncio.sleep(LEASE_SECONDS / 2)
    store.put(NEWER._replace(transitions=4, holder=""))
    await _nobody_decides_for(BOUND - MOMENT, candidate)
    await until_deciding(candidate, within=2 * MOMENT)


# A cluster restored from a backup, whose resourceVersions begin again at an earlier one


@pytest.mark.parametrize("holder", ["a", "another", ""], ids=["its own", "another's", "nobody's"])
async def test_a_leader_that_finds_an_older_lease_stops_waits_and_lists_afresh(holder: str) -> None:
    """What was allocated since the backup may be on its way, and what was deleted since then exists again."""
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    restored = store.record
    assert restored is not None
    with capture_logs() as logs:
        store.restore(restored._replace(holder=holder))
        await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert [line["reason"] for line in logs if "reason" in line] == [
        "the cluster was restored from a backup (kubemacpool-leader: resourceVersion fell to 51)"
    ]
    with pytest.raises(RetryLaterError, match=LOST):
        candidate.elector.check()
    await _nobody_decides_for(BOUND - RENEWAL_SECONDS - 2 * MOMENT, candidate)
    await until_deciding(candidate, within=RENEWAL_SECONDS + LEASE_SECONDS)
    assert (candidate.relists, candidate.elector.transitions) == (1, 2)


async def test_an_older_list_of_any_kind_is_a_loss_as_well() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    candidate.elector.rewound("pods: resourceVersion fell from 7 to 5")
    assert store.record is not None
    store.restore(store.record)
    await _nobody_decides_for(BOUND - MOMENT, candidate)
    candidate.let_relist.clear()
    await asyncio.sleep(2 * MOMENT)
    candidate.elector.rewound("machines: resourceVersion fell from 7 to 5")
    candidate.let_relist.set()
    await until_deciding(candidate, within=2 * MOMENT)
    assert candidate.relists == 1, "what is found while all is listed is no other loss"


async def test_whoever_takes_over_meanwhile_from_the_backup_is_heard() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.restore(HELD)
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    store.put(HELD._replace(transitions=4, holder="another"))
    await asyncio.sleep(MOMENT)
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        candidate.elector.check()
    await _nobody_decides_for(BOUND - RENEWAL_SECONDS - 2 * MOMENT, candidate)
    assert store.count("acquire") == 1, "it may have begun without having waited; we have seen the loss"
    store.delete()
    await _nobody_decides_for(LEASE_SECONDS + BOUND - MOMENT, candidate)
    await until_deciding(candidate, within=RENEWAL_SECONDS)


async def test_a_lease_restored_after_it_was_lost_shortens_no_wait() -> None:
    """`kubectl apply` of what somebody had saved: it does not say what was allocated since."""
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.delete()
    await asyncio.sleep(1.0)
    store.put(HELD._replace(holder=""))
    await _nobody_decides_for(BOUND - 1.0 - MOMENT, candidate)
    await until_deciding(candidate, within=2 * MOMENT)
    assert candidate.relists == 1


@pytest.mark.parametrize("lost", [True, False])
async def test_a_restored_lease_with_addresses_but_no_transitions_makes_them_in_doubt(lost: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease(VIRGIN if lost else VIRGIN._replace(reserved=frozenset({FIRST})))
    candidate = Candidate("a", store)
    if lost:
        await until_deciding(candidate)
        store.put(VIRGIN._replace(reserved=frozenset({FIRST})))
        await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    await until_deciding(candidate)
    assert candidate.core.ledger.is_in_doubt(FIRST)


async def test_a_claim_that_fails_after_a_loss_is_followed_by_one_list_only() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.put(VIRGIN)
    await asyncio.sleep(BOUND - MOMENT)
    store.fates.append("not made")
    await until_deciding(candidate)
    assert store.count("acquire") == 3
    await asyncio.sleep(BOUND)
    assert candidate.relists == 1


async def test_a_leader_learns_from_its_next_write_that_another_has_the_lease_of_the_backup() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    store.restore(HELD._replace(transitions=1))
    await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert not candidate.leading
    assert candidate.elector.leader_endpoint == "other:8000"


async def test_a_replica_that_stands_by_leaves_the_lease_of_the_backup_to_its_holder() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    await asyncio.sleep(MOMENT)
    store.restore(HELD)
    for _ in range(100):
        store.put(HELD)
        await asyncio.sleep(LEASE_SECONDS / 5)
    assert store.writes == []
    assert candidate.elector.leader_endpoint == "other:8000"
