import asyncio
from collections.abc import Mapping

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import FIRST
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

from kubemacpool.election import leadership
from kubemacpool.election.leadership import PATIENCE, KindView, catch_up
from kubemacpool.election.timing import (
    CATCH_UP_SECONDS,
    LEASE_SECONDS,
    MARGIN_SECONDS,
    OBSTACLE_SECONDS,
    RENEWAL_SECONDS,
    WRITE_SECONDS,
)
from kubemacpool.ports import RetryLaterError
from kubemacpool.wire.lease import LeaseRecord
from kubemacpool.wire.objects import ObjectIdentity

MOMENT = 10 * ON_THE_WAY
"""Seconds: enough for a few requests to the API server, and less than any bound."""


async def test_a_lease_that_nobody_has_held_is_taken_over_at_once() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate, within=MOMENT)
    assert store.writes[0] == VIRGIN._replace(
        holder="a", endpoint="a:8000", transitions=1, duration=LEASE_SECONDS, resource_version="102"
    )
    assert candidate.elector.transitions == 1
    assert candidate.elector.leader_endpoint is None, "it is this one"


async def test_of_two_that_want_it_one_wins_and_the_other_learns_where_it_is() -> None:
    store = StoredLease()
    both = [Candidate("a", store), Candidate("b", store)]
    winner = await until_deciding(*both, within=MOMENT)
    (loser,) = set(both) - {winner}
    await asyncio.sleep(10 * LEASE_SECONDS)
    assert winner.leading
    assert not loser.leading
    assert loser.elector.leader_endpoint == winner.elector._replica.endpoint
    assert [record.transitions for record in store.writes] == [1] * len(store.writes)


async def test_a_lease_whose_holder_renews_it_is_left_alone() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    for _ in range(20):
        await asyncio.sleep(LEASE_SECONDS - MOMENT)
        assert candidate.elector.leader_endpoint == "other:8000"
        store.put(HELD)
    assert store.requests == []
    with pytest.raises(RetryLaterError, match=r"^another replica leads$"):
        candidate.elector.check()


@pytest.mark.parametrize("duration", [0, LEASE_SECONDS, 3 * LEASE_SECONDS])
async def test_a_lease_whose_holder_is_silent_is_taken_over_when_it_has_expired(duration: int) -> None:
    """A holder that says nothing of its duration is given ours."""
    began = LoopClock().now()
    store = StoredLease(HELD._replace(duration=duration))
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    waited = LoopClock().now() - began
    lasted = max(duration, LEASE_SECONDS)
    assert lasted <= waited < lasted + MOMENT
    assert store.writes[0].transitions == HELD.transitions + 1


async def test_who_looks_again_shortly_before_the_lease_has_expired_goes_on_waiting() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    await asyncio.sleep(LEASE_SECONDS - MOMENT)
    candidate.elector.extend_soon()
    await asyncio.sleep(MOMENT - ON_THE_WAY)
    assert store.requests == []


async def test_whoever_hears_nothing_for_longer_than_a_lease_knows_that_others_may_have_taken_over() -> None:
    """Not before they could: those who wait here would be sent elsewhere in vain."""
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate, within=MOMENT)
    store.default = "not made"
    await asyncio.sleep(LEASE_SECONDS - MOMENT)
    assert not candidate.elector.out_of_touch
    await asyncio.sleep(2 * MARGIN_SECONDS)
    assert candidate.elector.out_of_touch


async def test_of_two_that_see_it_expire_one_takes_it_over() -> None:
    store = StoredLease(HELD)
    both = [Candidate("a", store), Candidate("b", store)]
    await asyncio.sleep(LEASE_SECONDS + MOMENT)
    assert [candidate.leading for candidate in both].count(True) == 1
    assert store.count("acquire") == 2
    assert {record.transitions for record in store.writes} == {HELD.transitions + 1}


async def test_what_was_handed_over_is_taken_over_at_once() -> None:
    store = StoredLease(HELD._replace(holder="", endpoint=""))
    await until_deciding(Candidate("a", store), within=MOMENT)
    assert store.writes[0].transitions == HELD.transitions + 1


async def test_every_name_is_kept_and_in_doubt() -> None:
    names = frozenset({FIRST, FIRST + 7})
    store = StoredLease(HELD._replace(holder="", reserved=names, seen={"Pod": 1}, last=FIRST + 3))
    candidate = Candidate("a", store)
    await until_deciding(candidate, within=MOMENT)
    assert store.writes[0].reserved == names
    assert store.writes[0].seen == {"Pod": 1}
    assert store.writes[0].last == FIRST + 3
    ledger = candidate.core.ledger
    assert [address for address in range(FIRST, FIRST + 64) if ledger.is_in_doubt(address)] == sorted(names)


@pytest.mark.parametrize("record", [VIRGIN, HELD._replace(holder="", endpoint="")], ids=["nobody", "somebody"])
async def test_only_after_somebody_else_something_that_nobody_names_may_be_on_its_way(record: LeaseRecord) -> None:
    candidate = Candidate("a", StoredLease(record))
    await until_deciding(candidate, within=MOMENT)
    assert (candidate.core.ledger.oldest_unseen() is None) is (record is VIRGIN)


async def test_an_acquisition_whose_answer_was_lost_is_found_by_reading_again() -> None:
    store = StoredLease()
    store.fates.append("answer lost")
    candidate = Candidate("a", store, watches=False)
    await until_deciding(candidate, within=1.0)
    assert store.requests[:4] == ["acquire", "acquire", "read", "acquire"], "the second runs into the first"
    assert [record.holder for record in store.writes] == ["a", "a"]


async def test_an_acquisition_that_is_not_answered_is_tried_again() -> None:
    store = StoredLease()
    store.fates.extend(["never answered", "not made"])
    candidate = Candidate("a", store)
    with capture_logs() as logs:
        await until_deciding(candidate, within=2 * WRITE_SECONDS)
    warnings = [line["error"] for line in logs if line["log_level"] == "warning"]
    assert warnings == ["no answer about Lease kubemacpool-leader within 2 s", "no connection"]


async def test_an_acquisition_that_is_answered_after_the_watch_told_of_another_is_none() -> None:
    store = StoredLease()
    store.slowness = MOMENT
    candidate = Candidate("a", store)
    await asyncio.sleep(1.5 * ON_THE_WAY)
    assert [record.holder for record in store.writes] == ["a"]
    store.put(HELD._replace(transitions=9))
    with capture_logs() as logs:
        await asyncio.sleep(2 * MOMENT)
    assert candidate.elector.leader_endpoint == "other:8000"
    assert (candidate.elector.transitions, logs) == (9, [])


@pytest.mark.parametrize("watches", [True, False])
async def test_an_acquisition_that_is_answered_after_the_watch_told_of_the_deletion_is_none(watches: bool) -> None:  # noqa: FBT001 (a case)
    """Also where the watch was interrupted, and tells of the deletion only."""
    store = StoredLease(HELD._replace(holder=""))
    store.slowness = MOMENT
    candidate = Candidate("a", store, watches=watches)
    await asyncio.sleep(1.5 * ON_THE_WAY)
    assert [record.holder for record in store.writes] == ["a"]
    store.watchers = [candidate.elector]
    store.delete()
    await asyncio.sleep(2 * MOMENT)
    assert candidate.elector.transitions == 0
    with pytest.raises(RetryLaterError, match="nobody knows what was allocated lately"):
        candidate.elector.check()


async def test_a_look_that_is_answered_after_the_watch_told_of_the_end_of_a_term_takes_nothing_back() -> None:
    store = StoredLease(HELD._replace(holder=""))
    candidate = Candidate("a", store, watches=False)
    store.put(HELD)
    store.slowness = MOMENT
    await asyncio.sleep(2.5 * ON_THE_WAY)
    assert store.requests == ["acquire", "read"]
    store.slowness = 0.0
    store.tell(candidate.elector, store.put(HELD._replace(holder="")))
    await until_deciding(candidate, within=2 * MOMENT)


async def test_the_time_of_an_acquisition_counts_from_when_it_was_sent() -> None:
    store = StoredLease()
    store.slowness = 1.5
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    assert candidate.elector.seconds_since_renewal >= store.slowness


async def test_while_something_is_missing_nothing_is_taken_over() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    candidate.obstacles.append("the list of the cluster's pods is not complete yet")
    await asyncio.sleep(60.0)
    assert store.requests == []
    candidate.obstacles.clear()
    await until_deciding(candidate, within=1.0)


async def test_what_is_missing_from_the_moment_of_the_acquisition_is_given_its_time() -> None:
    store = StoredLease()
    store.slowness = MOMENT
    candidate = Candidate("a", store)
    await asyncio.sleep(1.5 * ON_THE_WAY)
    candidate.obstacles.append("no range")
    await asyncio.sleep(OBSTACLE_SECONDS - MOMENT)
    assert [record.holder for record in store.writes] == ["a"] * len(store.writes)
    candidate.obstacles.clear()
    await until_deciding(candidate, within=MOMENT)


async def test_all_that_is_missing_is_said() -> None:
    candidate = Candidate("a", StoredLease())
    await until_deciding(candidate)
    candidate.obstacles += ["no range", "no list of machines"]
    with pytest.raises(RetryLaterError, match=r"^no range; no list of machines$"):
        candidate.elector.check()
    with capture_logs() as logs:
        await asyncio.sleep(OBSTACLE_SECONDS + 2 * RENEWAL_SECONDS + MOMENT)
    assert [line["reason"] for line in logs if "reason" in line] == ["no range; no list of machines"]


async def test_what_is_missing_for_a_moment_stops_the_leading_and_not_the_renewals() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    for _ in range(10):
        candidate.obstacles.append("no range")
        with pytest.raises(RetryLaterError, match=r"^no range$"):
            candidate.elector.check()
        await asyncio.sleep(OBSTACLE_SECONDS - MOMENT)
        candidate.obstacles.clear()
        assert candidate.leading
        await asyncio.sleep(RENEWAL_SECONDS + MOMENT)
    assert store.count("acquire") == 1


async def test_who_cannot_decide_for_a_reason_of_its_own_lets_another_one() -> None:
    store = StoredLease()
    hindered = Candidate("a", store)
    await until_deciding(hindered)
    other = Candidate("b", store)
    hindered.obstacles.append("no list of machines")
    with capture_logs() as logs:
        await until_deciding(other, within=OBSTACLE_SECONDS + 2 * RENEWAL_SECONDS + MOMENT)
        await asyncio.sleep(60.0)
    assert [line["reason"] for line in logs if line["event"] == "let another replica decide"] == ["no list of machines"]
    assert other.leading
    assert store.count("acquire") == 2, "nobody takes it back"
    assert other.core.ledger.in_doubt_count == 0
    hindered.obstacles.clear()
    other.crash()
    await until_deciding(hindered, within=LEASE_SECONDS + MOMENT)


async def test_a_reason_that_passes_while_the_lease_is_being_given_away_comes_too_late() -> None:
    """What would be allocated then would not be named."""
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    candidate.obstacles.append("no range")
    await asyncio.sleep(OBSTACLE_SECONDS - MOMENT)
    store.slowness = 1.0
    while not candidate.elector._leaving:  # noqa: ASYNC110 (nobody tells)
        await asyncio.sleep(ON_THE_WAY)
    candidate.obstacles.clear()
    with pytest.raises(RetryLaterError, match=r"^this replica lets another one decide: no range$"):
        candidate.elector.check()
    store.slowness = 0.0
    await until_deciding(candidate, within=2.0)
    assert store.count("acquire") == 2


async def test_a_lease_that_cannot_be_given_away_stays_ours_and_it_is_tried_again() -> None:
    store = StoredLease()
    candidate = Candidate("a", store)
    await until_deciding(candidate)
    candidate.obstacles.append("no range")
    await asyncio.sleep(OBSTACLE_SECONDS - MOMENT)
    store.fates.extend(["made", "not made"])
    await asyncio.sleep(RENEWAL_SECONDS + 1.0)
    assert store.record is not None
    assert store.record.holder == ""


async def test_a_view_that_is_as_new_as_the_lease_asks_leads_at_once_and_lists_nothing() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    candidate.progress.reached(9)
    await until_deciding(candidate, within=MOMENT)
    assert candidate.relists == 0


async def test_a_view_that_is_behind_leads_once_it_has_caught_up() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    candidate.progress.reached(8)
    await asyncio.sleep(MOMENT)
    with pytest.raises(RetryLaterError, match=r"^this replica has just acquired the Lease and is not up to date yet$"):
        candidate.elector.check()
    candidate.progress.reached(9)
    await until_deciding(candidate, within=MOMENT)
    assert candidate.relists == 0


async def test_a_view_that_stays_behind_is_listed_afresh_and_leads_only_then() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    candidate.let_relist.clear()
    with capture_logs() as logs:
        await asyncio.sleep(PATIENCE + MOMENT)
    assert candidate.relists == 1
    assert {"kind": "Pod", "version": 9} in [{key: line.get(key) for key in ("kind", "version")} for line in logs]
    await asyncio.sleep(CATCH_UP_SECONDS - PATIENCE - 2 * MOMENT)
    assert not candidate.leading
    assert candidate.elector.transitions == HELD.transitions + 1, "the Lease stays ours meanwhile"
    candidate.let_relist.set()
    await until_deciding(candidate, within=MOMENT)


@pytest.mark.parametrize("lost", [False, True])
async def test_who_does_not_catch_up_in_time_lets_another_one_try(lost: bool) -> None:  # noqa: FBT001 (a case)
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    late = Candidate("a", store)
    late.let_relist.clear()
    if lost:
        await asyncio.sleep(MOMENT)
        store.put(VIRGIN._replace(seen={"Pod": 9}))
        await asyncio.sleep(BOUND + MOMENT)
    await asyncio.sleep(1.0)
    other = Candidate("b", store)
    other.progress.reached(9)
    with capture_logs() as logs:
        await until_deciding(other, within=CATCH_UP_SECONDS + MOMENT)
    assert "it is not up to date after 30 s" in [line.get("reason") for line in logs]
    other.crash()
    await asyncio.sleep(LEASE_SECONDS + PATIENCE + MOMENT)
    relists = late.relists
    assert not late.leading, "it has as much to list as before"
    late.let_relist.set()
    await until_deciding(late, within=MOMENT)
    assert (relists, late.relists) == (2, 2)


async def test_who_did_not_catch_up_and_is_alone_tries_again() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    candidate.let_relist.clear()
    await asyncio.sleep(CATCH_UP_SECONDS + LEASE_SECONDS / 2)
    assert candidate.elector._known.record is not None
    assert candidate.elector._known.record.holder == ""
    candidate.let_relist.set()
    await until_deciding(candidate, within=LEASE_SECONDS + PATIENCE)


async def test_who_fails_to_catch_up_for_a_fault_of_ours_lets_others_try_and_tries_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    failures = [ValueError("nobody foresaw this")]

    async def absurd(views: Mapping[str, KindView], seen: Mapping[str, int]) -> None:
        if failures:
            raise failures.pop()
        await catch_up(views, seen)

    monkeypatch.setattr(leadership, "catch_up", absurd)
    candidate = Candidate("a", store)
    candidate.progress.reached(9)
    with capture_logs() as logs:
        await until_deciding(candidate, within=LEASE_SECONDS + PATIENCE)
    assert "could not catch up" in [line["event"] for line in logs]
    assert "" in [record.holder for record in store.writes], "others might have taken it"


async def test_a_view_of_a_kind_that_is_removed_meanwhile_is_not_waited_for() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    await asyncio.sleep(MOMENT)
    candidate.progress.begin_anew()
    await until_deciding(candidate, within=MOMENT)
    assert candidate.relists == 1


async def test_one_that_loses_the_lease_before_it_has_caught_up_does_not_decide_when_it_has() -> None:
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 9}))
    candidate = Candidate("a", store)
    await asyncio.sleep(MOMENT)
    store.put(HELD._replace(transitions=9, seen={"Pod": 9}))
    await asyncio.sleep(MOMENT)
    candidate.progress.reached(9)
    await asyncio.sleep(MOMENT)
    assert not candidate.leading
    store.put(HELD._replace(transitions=9, holder="", seen={"Pod": 20}))
    await asyncio.sleep(MOMENT)
    assert candidate.elector.transitions == 10
    assert not candidate.leading, "that was another time"


async def test_a_lease_that_asks_for_a_kind_which_is_not_followed_is_not_taken_over() -> None:
    """A newer program wrote it, which hands out addresses to more than pods."""
    store = StoredLease(HELD._replace(holder="", seen={"Pod": 1, "VirtualMachine": 9}))
    with capture_logs() as logs:
        candidate = Candidate("a", store)
        await asyncio.sleep(60.0)
    assert not candidate.leading
    assert store.requests == []
    assert {line["log_level"]: line["kinds"] for line in logs} == {"error": ["VirtualMachine"]}
    store.put(HELD._replace(holder="", seen={"Pod": 1}))
    await until_deciding(candidate, within=LEASE_SECONDS)


async def test_a_lease_that_no_watch_has_told_of_is_not_made_by_guess() -> None:
    store = StoredLease()
    candidate = Candidate("a", store, looks=False, watches=False)
    await asyncio.sleep(60.0)
    assert store.requests == []
    candidate.look()
    await until_deciding(candidate, within=MOMENT)


async def test_how_long_nobody_decided_is_counted_by_every_replica() -> None:
    store = StoredLease()
    first = Candidate("a", store)
    await asyncio.sleep(100.0)
    second = Candidate("b", store)
    await asyncio.sleep(100.0)
    assert first.elector.seconds_without_leader < MOMENT
    assert second.elector.seconds_without_leader == 0.0
    second.obstacles.append("no range")
    first.crash()
    await asyncio.sleep(100.0)
    counted = second.elector.seconds_without_leader
    assert 100.0 - LEASE_SECONDS < counted < 100.0, "since the Lease has expired"
    second.obstacles.clear()
    await until_deciding(second)
    before = second.elector.seconds_without_leader
    assert 100.0 < before < 100.0 + RENEWAL_SECONDS + 1.0, "now it is known that the first had ended before that"
    await asyncio.sleep(100.0)
    assert second.elector.seconds_without_leader == before


@pytest.mark.parametrize("told", [True, False])
async def test_a_leader_that_ended_without_a_word_counts_as_gone_from_its_last_renewal(told: bool) -> None:  # noqa: FBT001 (a case)
    """Also for a third replica, which learns of it by the acquisition, and for one that took over itself."""
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    if told:
        await asyncio.sleep(LEASE_SECONDS - MOMENT)
        store.put(HELD._replace(holder="b", endpoint="b:8000", transitions=HELD.transitions + 1))
        await asyncio.sleep(MOMENT)
    else:
        await until_deciding(candidate)
    counted = candidate.elector.seconds_without_leader
    assert LEASE_SECONDS - MOMENT < counted < LEASE_SECONDS + MOMENT


async def test_a_leader_that_only_fell_silent_for_a_while_does_not_count_as_gone_before_its_lease_expired() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    candidate.obstacles.append("no range")
    await asyncio.sleep(LEASE_SECONDS + 1.0)
    store.put(HELD)
    await asyncio.sleep(MOMENT)
    assert 1.0 - MOMENT < candidate.elector.seconds_without_leader < 1.0 + MOMENT


async def test_a_leader_that_handed_over_decided_until_then() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    await asyncio.sleep(LEASE_SECONDS - MOMENT)
    store.put(HELD._replace(holder="", endpoint=""))
    await until_deciding(candidate)
    assert candidate.elector.seconds_without_leader < MOMENT


async def test_who_waits_for_a_change_is_told_of_it() -> None:
    store = StoredLease(HELD)
    candidate = Candidate("a", store)
    began = LoopClock().now()
    await candidate.elector.until_changed(1.0)
    assert LoopClock().now() == began + 1.0, "nothing has changed"
    store.put(HELD._replace(holder=""))
    while not candidate.leading:
        await candidate.elector.until_changed(1.0)
    assert LoopClock().now() < began + 1.0 + MOMENT


async def test_a_lease_that_cannot_be_read_is_said() -> None:
    candidate = Candidate("a", StoredLease(HELD))
    with capture_logs() as logs:
        candidate.elector.unreadable(ObjectIdentity("ns", "kubemacpool-leader", "u1"), "spec is a list")
    assert [(line["log_level"], line["reason"]) for line in logs] == [("error", "spec is a list")]
