"""What the ledger knows of addresses that may be on their way, and how new its view of the others is."""

import pytest
from tests.unit.core.subjects import BOUND, COOL_DOWN, at, holder, key, ledger, machine, numbers, pod, pool

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder


def heir(*in_doubt: int, now: float = 10.0) -> Ledger:
    """A ledger of four addresses whose leader has taken over a Lease that names these."""
    subject = ledger()
    subject.inherit(map(at, in_doubt), now)
    return subject


def free(of: Ledger) -> list[int]:
    return [number for number in range(1, 5) if of.is_free(at(number))]


def test_addresses_in_doubt_are_not_free_until_their_bound_has_passed_and_the_view_is_proven_past_it() -> None:
    subject = heir(1, 3)
    assert (subject.in_doubt_count, free(subject), subject.free_count) == (2, [2, 4], 2)
    subject.pass_barrier(10.0 + BOUND - 0.001)
    assert subject.is_in_doubt(at(1))
    assert free(subject) == [2, 4]
    subject.pass_barrier(10.0 + BOUND)
    assert not subject.is_in_doubt(at(1))
    assert (subject.in_doubt_count, free(subject), subject.free_count) == (0, [1, 2, 3, 4], 4)


def test_an_in_doubt_that_ends_leaves_a_held_and_a_cooling_address_as_they_are() -> None:
    subject = heir(1, 2, 3)
    subject.observe(holder("web", 1), 11.0)
    subject.observe(holder("db", 2), 11.0)
    subject.vanish(key("db"), 10.0 + BOUND)
    subject.pass_barrier(10.0 + BOUND)
    assert free(subject) == [3, 4]
    subject.end_cooling(10.0 + BOUND + COOL_DOWN)
    assert free(subject) == [2, 3, 4]


def test_addresses_in_doubt_outside_the_pool_are_known_as_well() -> None:
    subject = heir(77)
    assert subject.is_in_doubt(at(77))
    assert (subject.in_doubt_count, subject.unheld_in_doubt_count(), subject.free_count) == (1, 0, 4)
    subject.pass_barrier(10.0 + BOUND)
    assert not subject.is_in_doubt(at(77))


def test_another_acquisition_forgets_the_allocations_and_addresses_in_doubt_of_the_last_one() -> None:
    """Those that the Lease still names are told again."""
    subject = heir(1, 2)
    subject.allocate(at(3), pod("web"), 11.0)
    subject.inherit([at(2)], 20.0)
    assert numbers(subject.unseen()) == [2]
    assert free(subject) == [1, 3, 4]
    subject.pass_barrier(10.0 + BOUND)
    assert subject.is_in_doubt(at(2)), "its bound counts from the last acquisition"
    subject.pass_barrier(20.0 + BOUND)
    assert free(subject) == [1, 2, 3, 4]


def test_allocations_and_addresses_in_doubt_end_each_at_their_own_time() -> None:
    subject = heir(1, now=20.0)
    subject.allocate(at(2), pod("web"), 25.0)
    subject.pass_barrier(20.0 + BOUND)
    assert numbers(subject.unseen()) == [2]
    subject.pass_barrier(25.0 + BOUND)
    assert list(subject.unseen()) == []


def test_what_is_on_its_way_is_in_flight_or_in_doubt() -> None:
    subject = heir(1, 77)
    subject.allocate(at(2), pod("web"), 11.0)
    subject.observe(holder("db", 3), 11.0)
    assert sorted(numbers(subject.unseen())) == [1, 2, 77]


MOMENTS = {
    "nothing is on its way": ([], None, None),
    "allocations only": ([15.0, 30.0], None, 15.0),
    "addresses in doubt only": ([], 20.0, 20.0),
    "an older allocate": ([15.0], 20.0, 15.0),
    "a newer allocate": ([30.0], 20.0, 20.0),
}


@pytest.mark.parametrize(("allocated", "inherited", "oldest"), MOMENTS.values(), ids=MOMENTS)
def test_the_oldest_that_was_not_seen_says_how_far_the_view_has_to_be_proven(
    allocated: list[float], inherited: float | None, oldest: float | None
) -> None:
    subject = ledger()
    if inherited is not None:
        subject.inherit([at(1)], inherited)
    for number, moment in enumerate(allocated, start=2):
        subject.allocate(at(number), pod(f"web-{number}"), moment)
    assert subject.oldest_unseen() == oldest


def test_addresses_in_doubt_in_another_pool_are_not_free_there() -> None:
    subject = heir(1, 3)
    subject.replace_pool(pool(3, 4))
    assert (free(subject), subject.returning_count) == ([4], 1)
    subject.replace_pool(pool(1, 4))
    assert (free(subject), subject.returning_count) == ([2, 4], 2)


def test_only_addresses_in_doubt_of_the_pool_that_nobody_holds_may_be_of_help_later() -> None:
    subject = heir(1, 2, 3, 77)
    subject.observe(holder("web", 2), 11.0)
    assert subject.unheld_in_doubt_count() == 2
    assert subject.returning_count == 2


def test_what_time_alone_may_free_is_neither_held_nor_given_early_nor_free() -> None:
    subject = heir(1)
    subject.allocate(at(2), pod("web"), 11.0)
    subject.observe(holder("db", 3), 11.0)
    subject.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(4),)), 11.0)
    subject.vanish(key("vm", "VirtualMachine"), 12.0)
    assert subject.returning_count == 3
    subject.vanish(key("db"), 12.0)
    assert subject.returning_count == 3, "a pod's address that cools down can be given"
    subject.pass_barrier(12.0 + BOUND)
    subject.end_cooling(12.0 + BOUND)
    assert subject.returning_count == 0


# How new the view is


def test_of_each_kind_the_newest_version_is_known_at_which_an_object_was_seen_with_addresses() -> None:
    subject = ledger()
    assert subject.sighted == {}
    subject.observe(holder("web", 1), 1.0, version=7)
    subject.observe(holder("db", 2), 1.0, version=5)  # a list is in the order of names, not of versions
    subject.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(3),)), 1.0, version=4)
    assert subject.sighted == {"Pod": 7, "VirtualMachine": 4}
    subject.vanish(key("web"), 2.0)
    subject.observe(holder("web", 1), 3.0, version=9)
    assert subject.sighted == {"Pod": 9, "VirtualMachine": 4}


def test_a_sighting_of_unknown_version_says_nothing_of_how_new_the_view_is() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0)
    assert subject.sighted == {}


def test_an_object_that_has_lost_its_addresses_was_seen_too() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0, version=7)
    subject.observe(holder("web"), 2.0, version=8)
    assert subject.sighted == {"Pod": 8}


def test_an_acquisition_makes_the_view_no_older() -> None:
    subject = ledger()
    subject.observe(holder("web", 1), 1.0, version=7)
    subject.inherit((), 10.0)
    assert subject.sighted == {"Pod": 7}
