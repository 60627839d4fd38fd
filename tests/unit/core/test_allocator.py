"""What is allocated, and what is refused."""

import pytest
from tests.unit.core.subjects import (
    allocator,
    ask,
    at,
    decide,
    everything,
    fill_and_release,
    holder,
    key,
    machine,
    pod,
    refusals,
    unreserved,
)

from kubemacpool.core.addresses import parse_address
from kubemacpool.core.parties import Holder, Party
from kubemacpool.core.requests import AddressRequest, Allocated, Exhausted, Fault, Refusal


def test_every_interface_gets_an_address_of_its_own_in_the_pools_order() -> None:
    subject = allocator()
    assert ask(subject, "web", None, None) == [1, 2]
    assert ask(subject, "db", None) == [3]


def test_an_object_without_interfaces_is_allocated_nothing() -> None:
    assert ask(allocator(), "web") == []


def test_what_is_allocated_is_in_flight_for_its_party_from_that_moment_on() -> None:
    subject = allocator()
    ask(subject, "web", None, 9, now=7.0)
    for number in (1, 9):
        allocation = subject.ledger.latest_allocation(at(number))
        assert allocation is not None
        assert (allocation.party, allocation.allocated_at) == (pod("web"), 7.0)


def test_automatic_addresses_pass_over_those_that_the_same_request_names() -> None:
    assert ask(allocator(5), "web", None, 1, None, 3, None) == [2, 1, 4, 3, 5]


def test_held_in_flight_and_cooling_addresses_are_passed_over() -> None:
    subject = allocator(6)
    subject.ledger.observe(holder("held", 1), 1.0)
    subject.ledger.allocate(at(3), pod("in_flight"), 1.0)
    subject.ledger.observe(holder("cooling", 4), 1.0)
    subject.ledger.vanish(key("cooling"), 1.0)
    assert ask(subject, "web", None, None) == [2, 5]


REFUSALS = {
    "held by another pod": ((1,), [(0, 1, Fault.HELD, pod("held"))]),
    "held by another pod, outside the range": ((77,), [(0, 77, Fault.HELD, pod("far"))]),
    "on its way to another pod": ((2,), [(0, 2, Fault.IN_FLIGHT, pod("in_flight"))]),
    "on its way to a pod without a name": ((3,), [(0, 3, Fault.IN_FLIGHT, unreserved("new-"))]),
    "given twice": ((4, None, 4), [(2, 4, Fault.TWICE, 0)]),
    "given three times": ((4, 4, 4), [(1, 4, Fault.TWICE, 0), (2, 4, Fault.TWICE, 0)]),
    "all that is wrong is named": (
        (None, 2, 4, 1, 4),
        [(1, 2, Fault.IN_FLIGHT, pod("in_flight")), (3, 1, Fault.HELD, pod("held")), (4, 4, Fault.TWICE, 2)],
    ),
}


@pytest.mark.parametrize(("numbers", "expected"), REFUSALS.values(), ids=REFUSALS)
def test_an_address_that_somebody_else_has_is_refused_and_the_answer_names_them(
    numbers: tuple[int | None, ...], expected: list[tuple[int, int, Fault, Party | int]]
) -> None:
    subject = allocator(6)
    subject.ledger.observe(holder("held", 1), 1.0)
    subject.ledger.observe(holder("far", 77), 1.0)
    subject.ledger.allocate(at(2), pod("in_flight"), 1.0)
    subject.ledger.allocate(at(3), unreserved("new-"), 1.0)
    before = everything(subject)
    wanted = tuple(None if number is None else at(number) for number in numbers)
    found = refusals(subject, AddressRequest(pod("web"), wanted))
    assert found == tuple(
        Refusal(interface, at(number), fault, detail) for interface, number, fault, detail in expected
    )
    assert everything(subject) == before


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("00:00:00:00:00:00", "the all-zero address, which no interface may have"),
        ("01:00:5e:00:00:01", "a multicast address, which no interface may have; the first octet must be even"),
        ("ff:ff:ff:ff:ff:ff", "a multicast address, which no interface may have; the first octet must be even"),
    ],
)
def test_an_address_that_no_interface_may_have_is_refused_with_the_reason(text: str, reason: str) -> None:
    address = parse_address(text)
    found = refusals(allocator(), AddressRequest(pod("web"), (None, address)))
    assert found == (Refusal(1, address, Fault.UNUSABLE, reason),)


def test_a_free_address_may_be_asked_for_inside_and_outside_the_range() -> None:
    subject = allocator()
    assert ask(subject, "web", 3, 77) == [3, 77]
    assert ask(subject, "db", None, None, None) == [1, 2, 4]


def test_an_address_asked_for_does_not_move_the_search() -> None:
    subject = allocator()
    assert ask(subject, "web", 3) == [3]
    assert ask(subject, "db", None) == [1]


def test_an_address_that_cools_down_is_allocated_to_who_asks_for_it() -> None:
    subject = allocator()
    fill_and_release(subject, "web")
    assert ask(subject, "db", 1) == [1]


def test_the_same_name_is_the_same_party_while_its_last_object_is_still_known() -> None:
    subject = allocator()
    assert ask(subject, "web", 2) == [2]
    assert ask(subject, "web", 2) == [2]  # its first admission may still be under way
    allocation = subject.ledger.latest_allocation(at(2))
    assert allocation is not None
    assert allocation.admissions == 2
    subject.ledger.observe(holder("web", 2), 11.0)
    assert ask(subject, "web", 2) == [2]


def test_an_address_allocated_again_is_in_flight_until_the_new_object_is_seen() -> None:
    subject = allocator()
    subject.ledger.observe(holder("web", 2, uid="uid-1"), 1.0)
    assert ask(subject, "web", 2) == [2]
    subject.ledger.vanish(key("web"), 11.0)
    found = refusals(subject, AddressRequest(pod("db"), (at(2),)))
    assert found == (Refusal(0, at(2), Fault.IN_FLIGHT, pod("web")),)
    subject.ledger.observe(holder("web", 2, uid="uid-2"), 12.0)
    assert subject.ledger.latest_allocation(at(2)) is None


def test_pods_without_a_name_are_parties_of_their_own() -> None:
    subject = allocator()
    assert decide(subject, AddressRequest(unreserved("web-", "request-1"), (at(1),)), 1.0) == Allocated((at(1),))
    found = refusals(subject, AddressRequest(unreserved("web-", "request-2"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.IN_FLIGHT, unreserved("web-", "request-1")),)
    assert decide(subject, AddressRequest(unreserved("web-", "request-1"), (at(1),)), 2.0) == Allocated((at(1),))


def test_a_pod_named_like_anothers_prefix_is_another_party() -> None:
    subject = allocator()
    decide(subject, AddressRequest(unreserved("web-"), (at(1),)), 1.0)
    found = refusals(subject, AddressRequest(pod("web-"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.IN_FLIGHT, unreserved("web-")),)


def test_a_pod_that_was_given_a_name_is_the_party_of_that_name_from_then_on() -> None:
    subject = allocator()
    decide(subject, AddressRequest(unreserved("web-"), (None,)), 1.0)
    subject.ledger.observe(holder("web-x7k2p", 1), 2.0)
    found = refusals(subject, AddressRequest(unreserved("web-", "request-2"), (at(1),)))
    assert found == (Refusal(0, at(1), Fault.HELD, pod("web-x7k2p")),)
    assert ask(subject, "web-x7k2p", 1) == [1]


def test_of_several_holders_the_first_is_named_to_who_has_no_part_in_it() -> None:
    subject = allocator()
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.ledger.observe(holder("db", 1), 1.0)
    assert refusals(subject, AddressRequest(pod("app"), (at(1),))) == (Refusal(0, at(1), Fault.HELD, pod("web")),)


def test_a_machine_may_have_the_address_that_its_launcher_pod_carries() -> None:
    subject = allocator()
    subject.ledger.observe(Holder(key("virt-launcher-vm"), "uid-1", machine("vm"), (at(1),)), 1.0)
    assert decide(subject, AddressRequest(machine("vm"), (at(1),)), 2.0) == Allocated((at(1),))
    assert subject.ledger.latest_allocation(at(1)) is not None


def test_what_the_object_carried_before_is_neither_judged_nor_recorded() -> None:
    subject = allocator()
    subject.ledger.observe(holder("other", 1), 1.0)
    multicast = parse_address("01:00:5e:00:00:01")
    asked = AddressRequest(machine("vm"), (at(1), None, multicast), frozenset({at(1), multicast}))
    assert decide(subject, asked, 2.0) == Allocated((at(1), at(2), multicast))
    assert subject.ledger.in_flight_count == 1


def test_what_the_object_carried_before_is_not_chosen_for_another_interface() -> None:
    """The ledger may not know of it; chosen, it would be allocated without a record."""
    subject = allocator(2)
    asked = AddressRequest(machine("vm"), (None,), frozenset({at(1)}))
    assert decide(subject, asked, 1.0) == Allocated((at(2),))
    assert isinstance(subject.decide(asked, 2.0), Exhausted)


def test_an_address_twice_in_one_object_is_refused_though_it_was_so_before() -> None:
    asked = AddressRequest(machine("vm"), (at(1), at(1)), frozenset({at(1)}))
    assert refusals(allocator(), asked) == (Refusal(1, at(1), Fault.TWICE, 0),)


@pytest.mark.parametrize(
    "wanted",
    [(None,), (None, None), (at(1),), (None, at(3)), (at(77),), (at(2),), (at(4), at(4)), (None,) * 5],
    ids=["any", "two", "cooling", "mixed", "outside", "held", "twice", "too many"],
)
def test_a_dry_run_says_the_same_and_changes_nothing(wanted: tuple[int | None, ...]) -> None:
    """Not the allocations, not the cool-downs, not the place of the search, not what the Lease is to name."""
    subject = allocator(5)
    fill_and_release(subject, "cooling")
    subject.ledger.observe(holder("held", 2), 9.0)
    asked = AddressRequest(pod("web"), wanted, dry_run=True)
    before = everything(subject)
    decision = subject.decide(asked, 10.0)
    assert everything(subject) == before
    assert decide(subject, asked._replace(dry_run=False), 10.0) == decision
