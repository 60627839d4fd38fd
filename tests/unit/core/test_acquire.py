"""Who leads next: addresses in doubt, and the hand-over (rules 2, 4, 5 and 7)."""

import pytest
from tests.unit.core.subjects import (
    BOUND,
    COOL_DOWN,
    allocator,
    ask,
    at,
    decide,
    holder,
    key,
    ledger,
    machine,
    numbers,
    pod,
    refusals,
    request,
    write,
)

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.parties import Holder
from kubemacpool.core.requests import AddressRequest, Allocated, Exhausted, Fault, InDoubt, Refusal, Unreserved

TAKEN_OVER = 10.0


def successor(*names: int, addresses: int = 4, last: int | None = None) -> Allocator:
    """A leader that took over, at moment 10, a Lease that names these."""
    subject = Allocator(ledger(addresses))
    subject.acquire(map(at, names), None if last is None else at(last), TAKEN_OVER)
    return subject


def clear(of: Allocator) -> None:
    """The bound has passed since the acquisition, and the view is proven to be past it."""
    of.ledger.pass_barrier(TAKEN_OVER + BOUND)


# Addresses in doubt


def test_every_address_that_the_lease_names_is_in_doubt_and_not_allocated_until_the_bound_has_passed() -> None:
    subject = successor(2, 77)
    for number in (2, 77):
        assert decide(subject, request("web", number), 11.0) == InDoubt((at(number),))
    clear(subject)
    assert decide(subject, request("web", 2, 77), 11.0 + BOUND) == Allocated((at(2), at(77)))


def test_an_address_that_is_held_by_the_one_who_asks_is_in_doubt_all_the_same() -> None:
    """It may be the holder before last: the address may be on its way to somebody else."""
    subject = successor(2)
    subject.ledger.observe(holder("web", 2), 1.0)
    assert decide(subject, request("web", 2), 11.0) == InDoubt((at(2),))


def test_an_address_that_is_held_already_when_the_lease_is_taken_over_is_in_doubt_too() -> None:
    """Our view may be the older one: what it shows as the holder's may have gone to somebody else since."""
    subject = Allocator(ledger())
    subject.ledger.observe(holder("web", 2), 1.0)
    subject.acquire([at(2)], None, TAKEN_OVER)
    assert subject.ledger.is_in_doubt(at(2))
    assert decide(subject, request("web", 2), 11.0) == InDoubt((at(2),))
    subject.ledger.vanish(key("web"), 12.0)
    assert decide(subject, request("db", 2), 13.0) == InDoubt((at(2),))
    assert at(2) in write(subject).reserved


def test_seeing_an_object_with_an_in_doubt_does_not_clear_it() -> None:
    """It may go, and another one that was allocated the address before the acquisition may come."""
    subject = successor(2)
    subject.ledger.observe(holder("web", 2), 11.0)
    subject.ledger.vanish(key("web"), 12.0)
    assert decide(subject, request("db", 2), 13.0) == InDoubt((at(2),))


def test_an_in_doubt_that_another_party_holds_is_refused_naming_it() -> None:
    subject = successor(2)
    subject.ledger.observe(holder("db", 2), 1.0)
    assert refusals(subject, request("web", 2)) == (Refusal(0, at(2), Fault.HELD, pod("db")),)


def test_what_is_wrong_with_a_request_is_told_before_what_is_in_doubt() -> None:
    """Asking again would not help."""
    subject = successor(2)
    subject.ledger.observe(holder("db", 3), 1.0)
    assert refusals(subject, request("web", 2, 3)) == (Refusal(1, at(3), Fault.HELD, pod("db")),)


def test_all_addresses_in_doubt_among_those_asked_for_are_named_in_the_answer() -> None:
    assert decide(successor(1, 2, 77), request("web", 77, None, 3, 1), 11.0) == InDoubt((at(77), at(1)))


def test_what_the_object_carried_before_is_not_in_doubt_to_it() -> None:
    subject = successor(2)
    asked = AddressRequest(machine("vm"), (at(2),), frozenset({at(2)}))
    assert decide(subject, asked, 11.0) == Allocated((at(2),))


def test_addresses_in_doubt_are_passed_over_by_who_asks_for_any() -> None:
    assert ask(successor(1, 3), "web", None, None, now=11.0) == [2, 4]


def test_what_is_in_doubt_and_cools_down_is_not_given_early() -> None:
    subject = successor(1, addresses=1)
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.ledger.vanish(key("web"), 2.0)
    assert decide(subject, request("db", None), 11.0) == InDoubt(())
    assert decide(subject, request("db", None), 2.0 + COOL_DOWN) == InDoubt(())
    clear(subject)
    assert ask(subject, "db", None, now=11.0 + BOUND) == [1]


def test_when_all_that_may_be_free_is_in_doubt_asking_again_is_the_remedy() -> None:
    subject = successor(2, 3, 4)
    subject.ledger.observe(holder("db", 1), 1.0)
    for wanted in ((None,), (None, None, None)):
        assert decide(subject, request("web", *wanted), 11.0) == InDoubt(())
        assert decide(subject, request("web", *wanted, dry_run=True), 11.0) == InDoubt(())
    clear(subject)
    assert ask(subject, "web", None, None, None, now=11.0 + BOUND) == [2, 3, 4]


def test_when_too_few_are_in_doubt_to_be_of_help_the_pool_is_exhausted() -> None:
    subject = successor(2, 77)
    subject.ledger.observe(holder("db", 1, 3), 1.0)
    decision = decide(subject, request("web", None, None, None), 11.0)
    assert decision == Exhausted("02:00:00:00:00:01-02:00:00:00:00:04", 4, needed=3, missing=2, returning=1)


def test_an_in_doubt_that_somebody_holds_will_not_be_of_help() -> None:
    subject = successor(1, addresses=1)
    subject.ledger.observe(holder("db", 1), 1.0)
    assert isinstance(decide(subject, request("web", None), 11.0), Exhausted)


# Taking over


def test_what_the_lease_names_stays_named_until_the_bound_has_passed() -> None:
    subject = successor(2, 77)
    assert sorted(numbers(write(subject).reserved)) == [1, 2, 77]
    clear(subject)
    assert numbers(write(subject).reserved) == [1]


def test_what_the_lease_names_is_open_as_soon_as_it_is_no_longer_in_doubt() -> None:
    subject = successor(2)
    clear(subject)
    assert subject.decide(request("web", 2), 11.0 + BOUND) == Allocated((at(2),))


def test_the_search_goes_on_where_the_leader_before_was() -> None:
    assert ask(successor(last=2), "web", None, now=11.0) == [3]


def test_a_replica_that_leads_once_more_and_is_not_told_of_a_place_goes_on_where_it_was() -> None:
    subject = allocator()
    ask(subject, "web", None)
    subject.step_down()
    subject.acquire((), None, 20.0)
    assert ask(subject, "db", None, now=21.0) == [2]


def test_an_acquisition_leaves_who_holds_what_and_what_cools_down() -> None:
    subject = Allocator(ledger())
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.ledger.observe(holder("db", 2), 1.0)
    subject.ledger.vanish(key("db"), 2.0)
    subject.acquire((), None, TAKEN_OVER)
    assert ask(subject, "app", None, None, now=11.0) == [3, 4]
    assert refusals(subject, request("app", 1)) == (Refusal(0, at(1), Fault.HELD, pod("web")),)


# Stepping down and handing over


def test_whoever_steps_down_has_nothing_open_in_flight_in_doubt_or_set_aside() -> None:
    subject = successor(30, 77, addresses=64)
    write(subject)
    assert ask(subject, "web", None, None, None, now=11.0) == [1, 2, 3]
    shortness = [subject.is_short]
    subject.step_down()
    shortness.append(subject.is_short)
    assert shortness == [True, False]
    assert len(subject.reservations) == 0
    assert list(subject.ledger.unseen()) == []
    assert subject.ledger.free_count == 64
    assert isinstance(subject.decide(request("db", None), 12.0), Unreserved)


def test_our_own_earlier_allocations_are_in_doubt_to_us_as_to_anybody() -> None:
    """Somebody else decided in between, and may have allocated the address when our bound had passed."""
    subject = allocator()
    ask(subject, "web", 77, now=5.0)
    subject.step_down()
    subject.acquire([at(77)], None, 20.0)
    assert decide(subject, request("web", 77), 21.0) == InDoubt((at(77),))
    subject.ledger.pass_barrier(5.0 + BOUND)
    assert subject.ledger.is_in_doubt(at(77))
    subject.ledger.pass_barrier(20.0 + BOUND)
    assert not subject.ledger.is_in_doubt(at(77))


def test_the_last_write_gives_back_what_is_set_aside_and_keeps_what_is_on_its_way() -> None:
    subject = successor(77, addresses=64)
    write(subject, [at(50)])
    assert ask(subject, "web", None, 30, now=11.0) == [1, 30]
    names = subject.last_update()
    assert sorted(numbers(names.reserved)) == [1, 30, 77]
    assert (names.last, names.complete) == (at(1), True)


def test_after_a_hand_over_with_everything_seen_nothing_is_in_doubt() -> None:
    first = allocator(64)
    assert ask(first, "web", None, None) == [1, 2]
    first.ledger.observe(holder("web", 1, 2), 11.0, version=5)
    names = first.last_update()
    assert names.reserved == frozenset()
    assert names.seen == {"Pod": 5}
    second = Allocator(ledger(64))
    second.ledger.observe(holder("web", 1, 2), 11.0, version=5)
    second.acquire(names.reserved, names.last, 12.0)
    assert second.ledger.in_doubt_count == 0
    assert ask(second, "db", None, now=13.0) == [3]


@pytest.mark.parametrize("kind", ["Pod", "VirtualMachine"])
def test_a_machines_address_is_in_doubt_whichever_of_its_objects_is_seen(kind: str) -> None:
    subject = successor(1)
    subject.ledger.observe(Holder(key("vm", kind), "uid-1", machine("vm"), (at(1),)), 11.0)
    assert decide(subject, AddressRequest(machine("vm"), (at(1),)), 12.0) == InDoubt((at(1),))
