"""Name first, leave when seen: what has to stand in the Lease, and what need not any longer (rules 1 and 3)."""

import pytest
from tests.unit.core.subjects import (
    BOUND,
    allocator,
    ask,
    at,
    decide,
    everything,
    fill_and_release,
    holder,
    in_office,
    key,
    ledger,
    machine,
    numbers,
    pod,
    request,
    write,
)

from kubemacpool.core.addresses import LARGEST_ADDRESS
from kubemacpool.core.allocator import LARGEST_BLOCK, POOL_SHARE, Allocator
from kubemacpool.core.budgets import MOST_RESERVED
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import AddressRequest, Allocated, Exhausted, Refused, Unreserved


def open_numbers(of: Allocator, *asked: int, needed: int = 0) -> list[int]:
    """What the next write would name."""
    return sorted(numbers(of.next_update(map(at, asked), needed).reserved))


# Name first


@pytest.mark.parametrize(
    ("wanted", "unreserved", "automatic"),
    [((None,), [1], 1), ((3,), [3], 0), ((77,), [77], 0), ((None, 3, None), [1, 3, 2], 2)],
    ids=["any", "of the user's choice", "outside the range", "both"],
)
def test_what_the_lease_does_not_name_is_not_allocated_and_nothing_is_recorded(
    wanted: tuple[int | None, ...], unreserved: list[int], automatic: int
) -> None:
    subject = allocator()
    before = everything(subject)
    assert subject.decide(request("web", *wanted), 1.0) == Unreserved(tuple(map(at, unreserved)), automatic, pod("web"))
    assert everything(subject) == before


def test_all_that_a_request_needs_is_named_at_once() -> None:
    """One address is named by chance, and the next write would leave it out: the request would never have both."""
    subject = allocator(40)
    write(subject, [at(30)])
    assert subject.decide(request("web", None, 30, 31), 1.0) == Unreserved((at(1), at(30), at(31)), 1, pod("web"))
    write(subject, [at(1), at(30), at(31)])
    assert subject.decide(request("web", None, 30, 31), 1.0) == Allocated((at(1), at(30), at(31)))


def test_what_is_named_already_is_allocated_without_a_write() -> None:
    subject = allocator(40)
    write(subject, [at(30)])
    assert subject.decide(request("web", None, 30), 1.0) == Allocated((at(1), at(30)))


def test_what_is_set_aside_is_allocated_without_a_write_until_it_is_used_up() -> None:
    subject = allocator(16 * 3)
    assert sorted(numbers(write(subject).reserved)) == [1, 2, 3]
    for number in (1, 2, 3):
        assert subject.decide(request(f"web-{number}", None), 1.0) == Allocated((at(number),))
    assert subject.decide(request("web-4", None), 1.0) == Unreserved((at(4),), 1, pod("web-4"))


def test_what_a_write_leaves_out_is_not_allocated_while_it_is_under_way() -> None:
    """An address was asked for by somebody who went away, so the next write is without it."""
    subject = allocator()
    write(subject, [at(3)])
    subject.reservations.begin_write(subject.next_update((), 0).reserved)
    assert subject.decide(request("web", 3), 1.0) == Unreserved((at(3),), 0, pod("web"))


def test_what_a_dry_run_is_told_need_not_be_named() -> None:
    subject = allocator()
    assert subject.decide(request("web", None, 77, dry_run=True), 1.0) == Allocated((at(1), at(77)))
    assert list(subject.ledger.unseen()) == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_refusal_and_an_empty_pool_need_no_naming(*, dry_run: bool) -> None:
    subject = allocator(1)
    subject.ledger.observe(holder("db", 1), 1.0)
    assert isinstance(subject.decide(request("web", 1, 77, dry_run=dry_run), 1.0), Refused)
    assert isinstance(subject.decide(request("web", None, 77, dry_run=dry_run), 1.0), Exhausted)


def test_an_object_created_again_under_its_name_has_its_address_named_again() -> None:
    """The party holds it already; but who leads next may see its end and not its return."""
    subject = allocator()
    subject.ledger.observe(holder("web", 3), 1.0)
    assert subject.decide(request("web", 3), 2.0) == Unreserved((at(3),), 0, pod("web"))
    write(subject, [at(3)])
    assert subject.decide(request("web", 3), 2.0) == Allocated((at(3),))
    assert open_numbers(subject) == [1, 3]


def test_what_the_object_carried_before_is_not_named() -> None:
    subject = allocator()
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(3),)), 1.0)
    asked = AddressRequest(machine("vm"), (at(3),), frozenset({at(3)}))
    assert subject.decide(asked, 2.0) == Allocated((at(3),))
    assert open_numbers(subject) == [1]


# What a write says


def test_a_write_names_what_is_asked_for_what_is_set_aside_and_what_is_on_its_way() -> None:
    subject = allocator()
    assert ask(subject, "web", 77) == [77]
    assert open_numbers(subject, 3, 99) == [1, 3, 77, 99]


def test_requests_that_wait_together_all_have_enough_set_aside() -> None:
    subject = allocator(10)
    for name, count in (("a", 2), ("b", 1), ("c", 3)):
        assert isinstance(subject.decide(request(name, *[None] * count), 1.0), Unreserved)
    write(subject, [at(1), at(2), at(3)], needed=6)
    decisions = [subject.decide(request(*asked), 1.0) for asked in (("a", None, None), ("b", None))]
    assert decisions == [Allocated((at(1), at(2))), Allocated((at(3),))]
    assert subject.decide(request("c", None, None, None), 1.0) == Allocated((at(4), at(5), at(6)))


def test_where_too_little_is_free_what_has_cooled_longest_is_named_as_well() -> None:
    subject = allocator(4)
    fill_and_release(subject, "a", "b", "c")
    assert open_numbers(subject, needed=3) == [1, 2, 4]
    write(subject, needed=3)
    assert subject.decide(request("web", None, None, None), 4.0) == Allocated((at(4), at(1), at(2)))


@pytest.mark.parametrize(("size", "length"), [(1, 1), (15, 1), (31, 1), (32, 2), (POOL_SHARE * 100, 100)])
def test_no_more_than_a_sixteenth_of_the_pool_is_set_aside_and_at_least_one_address(size: int, length: int) -> None:
    assert len(allocator(size).next_update((), 0).reserved) == length


def test_of_a_huge_pool_so_much_is_set_aside_as_two_renewals_use() -> None:
    huge = Ledger(Pool([AddressRange(0, LARGEST_ADDRESS)]), in_flight_bound=BOUND, cool_down=0.0)
    assert len(in_office(huge).next_update((), 0).reserved) == LARGEST_BLOCK


def test_a_leader_says_when_little_is_left_of_what_is_set_aside() -> None:
    subject = allocator(16 * 4)
    assert not subject.is_short
    write(subject)
    for number, short in ((1, False), (2, False), (3, True)):
        subject.decide(request(f"web-{number}", None), 1.0)
        assert subject.is_short is short


def test_the_last_address_given_to_somebody_who_asked_for_any_is_told() -> None:
    subject = allocator()
    assert subject.next_update((), 0).last is None
    ask(subject, "web", None, 3)
    assert subject.next_update((), 0).last == at(1)


# Leave when seen


def test_an_address_leaves_when_its_object_has_been_seen_and_the_write_tells_how_new_that_view_was() -> None:
    subject = allocator()
    ask(subject, "web", 77)
    assert 77 in open_numbers(subject)
    subject.ledger.observe(holder("web", 77), 2.0, version=41)
    names = subject.next_update((), 0)
    assert at(77) not in names.reserved
    assert names.seen == {"Pod": 41}


def test_an_address_whose_allocation_came_to_nothing_leaves_when_the_view_is_proven_past_its_bound() -> None:
    subject = allocator()
    ask(subject, "web", 77, now=5.0)
    subject.ledger.pass_barrier(5.0 + BOUND - 0.001)
    assert 77 in open_numbers(subject)
    subject.ledger.pass_barrier(5.0 + BOUND)
    assert 77 not in open_numbers(subject)


def test_an_address_stays_while_what_was_seen_may_be_the_one_before() -> None:
    subject = allocator()
    subject.ledger.observe(holder("web", 3, uid="uid-1"), 1.0)
    assert ask(subject, "web", 3) == [3]
    subject.ledger.observe(holder("web", 3, uid="uid-1"), 11.0)
    assert 3 in open_numbers(subject)
    subject.ledger.observe(holder("web", 3, uid="uid-2"), 12.0)
    assert 3 not in open_numbers(subject)


def test_an_address_named_for_somebody_who_went_away_leaves() -> None:
    subject = allocator()
    write(subject, [at(77)])
    assert 77 not in open_numbers(subject)


# No more names than the Lease has room for


def crowded(room: int) -> Allocator:
    """One whose Lease has room for so many names, the others being on their way."""
    subject = in_office(ledger(1_000))
    for number in range(20_000, 20_000 + MOST_RESERVED - room):
        subject.ledger.allocate(at(number), pod("web"), 1.0)
    return subject


def test_when_there_is_no_room_for_what_is_asked_for_the_write_says_so_and_names_the_rest() -> None:
    subject = crowded(room=3)
    names = subject.next_update([at(n) for n in (5_001, 5_002, 5_003, 5_004)], 1)
    assert not names.complete
    assert set(subject.ledger.unseen()) < names.reserved
    assert at(5_001) not in names.reserved
    assert len(names.reserved) == MOST_RESERVED


def test_less_is_set_aside_when_there_is_little_room() -> None:
    subject = crowded(room=5)
    names = subject.next_update([at(5_001), at(5_002)], 0)
    assert names.complete
    assert names.reserved - set(subject.ledger.unseen()) == {at(5_001), at(5_002), at(1), at(2), at(3)}


def test_what_cools_down_is_named_only_where_there_is_room() -> None:
    subject = crowded(room=2)
    subject.ledger.observe(holder("db", *range(1, 1_000)), 1.0)
    subject.ledger.vanish(key("db"), 2.0)
    names = subject.next_update((), 1_000)
    assert names.reserved - set(subject.ledger.unseen()) == {at(1_000), at(1)}


def test_without_any_room_nothing_is_set_aside() -> None:
    names = crowded(room=0).next_update((), 5)
    assert (names.complete, len(names.reserved)) == (True, MOST_RESERVED)


def test_more_addresses_in_doubt_than_we_would_name_stay_named() -> None:
    """Another version of this program may name more. To leave one out would be to forget it."""
    subject = Allocator(ledger())
    inherited = frozenset(map(at, range(1, MOST_RESERVED + 10)))
    subject.acquire(inherited, None, 1.0)
    assert subject.next_update([at(77_777)], 0).reserved == inherited


def test_one_who_asks_for_more_than_can_be_named_is_in_nobody_elses_way() -> None:
    """What would have been set aside for it is given back, or there would be no room for anybody for good."""
    subject = in_office(ledger(200_000))
    assert not write(subject, map(at, range(100, 101 + MOST_RESERVED)), MOST_RESERVED + 1).complete
    assert ask(subject, "web", None, 77) == [1, 77]


def test_what_was_set_aside_for_one_who_went_away_is_given_back_with_the_next_write() -> None:
    subject = in_office(ledger(200_000))
    assert len(write(subject, needed=MOST_RESERVED).reserved) == MOST_RESERVED
    assert len(write(subject).reserved) == LARGEST_BLOCK
    assert decide(subject, request("web", None), 1.0) == Allocated((at(1),))
