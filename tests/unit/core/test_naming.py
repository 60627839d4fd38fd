"""Name first, leave when seen: what has to stand in the Lease, and what need not any longer (rules 1 and 3)."""

import pytest
from tests.unit.core.subjects import (
    BOUND,
    ask,
    at,
    decide,
    decider,
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
from kubemacpool.core.allocator import LONGEST_STRETCH, POOL_SHARE, Decider
from kubemacpool.core.budgets import MOST_NAMES
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import AddressRequest, Exhausted, Granted, Refused, Unnamed


def open_numbers(of: Decider, *asked: int, needed: int = 0) -> list[int]:
    """What the next write would name."""
    return sorted(numbers(of.names(map(at, asked), needed).open))


# Name first


@pytest.mark.parametrize(
    ("wanted", "unnamed", "automatic"),
    [((None,), [1], 1), ((3,), [3], 0), ((77,), [77], 0), ((None, 3, None), [1, 3, 2], 2)],
    ids=["any", "of the user's choice", "outside the range", "both"],
)
def test_what_the_lease_does_not_name_is_not_granted_and_nothing_is_recorded(
    wanted: tuple[int | None, ...], unnamed: list[int], automatic: int
) -> None:
    subject = decider()
    before = everything(subject)
    assert subject.decide(request("web", *wanted), 1.0) == Unnamed(tuple(map(at, unnamed)), automatic, pod("web"))
    assert everything(subject) == before


def test_all_that_a_request_needs_is_named_at_once() -> None:
    """One address is named by chance, and the next write would leave it out: the request would never have both."""
    subject = decider(40)
    write(subject, [at(30)])
    assert subject.decide(request("web", None, 30, 31), 1.0) == Unnamed((at(1), at(30), at(31)), 1, pod("web"))
    write(subject, [at(1), at(30), at(31)])
    assert subject.decide(request("web", None, 30, 31), 1.0) == Granted((at(1), at(30), at(31)))


def test_what_is_named_already_is_granted_without_a_write() -> None:
    subject = decider(40)
    write(subject, [at(30)])
    assert subject.decide(request("web", None, 30), 1.0) == Granted((at(1), at(30)))


def test_what_is_set_aside_is_granted_without_a_write_until_it_is_used_up() -> None:
    subject = decider(16 * 3)
    assert sorted(numbers(write(subject).open)) == [1, 2, 3]
    for number in (1, 2, 3):
        assert subject.decide(request(f"web-{number}", None), 1.0) == Granted((at(number),))
    assert subject.decide(request("web-4", None), 1.0) == Unnamed((at(4),), 1, pod("web-4"))


def test_what_a_write_leaves_out_is_not_granted_while_it_is_under_way() -> None:
    """An address was asked for by somebody who went away, so the next write is without it."""
    subject = decider()
    write(subject, [at(3)])
    subject.openings.begin_write(subject.names((), 0).open)
    assert subject.decide(request("web", 3), 1.0) == Unnamed((at(3),), 0, pod("web"))


def test_what_a_dry_run_is_told_need_not_be_named() -> None:
    subject = decider()
    assert subject.decide(request("web", None, 77, dry_run=True), 1.0) == Granted((at(1), at(77)))
    assert list(subject.ledger.unseen()) == []


@pytest.mark.parametrize("dry_run", [False, True])
def test_a_refusal_and_an_empty_pool_need_no_naming(*, dry_run: bool) -> None:
    subject = decider(1)
    subject.ledger.observe(holder("db", 1), 1.0)
    assert isinstance(subject.decide(request("web", 1, 77, dry_run=dry_run), 1.0), Refused)
    assert isinstance(subject.decide(request("web", None, 77, dry_run=dry_run), 1.0), Exhausted)


def test_an_object_created_again_under_its_name_has_its_address_named_again() -> None:
    """The party holds it already; but who decides next may see its end and not its return."""
    subject = decider()
    subject.ledger.observe(holder("web", 3), 1.0)
    assert subject.decide(request("web", 3), 2.0) == Unnamed((at(3),), 0, pod("web"))
    write(subject, [at(3)])
    assert subject.decide(request("web", 3), 2.0) == Granted((at(3),))
    assert open_numbers(subject) == [1, 3]


def test_what_the_object_carried_before_is_not_named() -> None:
    subject = decider()
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(3),)), 1.0)
    asked = AddressRequest(machine("vm"), (at(3),), frozenset({at(3)}))
    assert subject.decide(asked, 2.0) == Granted((at(3),))
    assert open_numbers(subject) == [1]


# What a write says


def test_a_write_names_what_is_asked_for_what_is_set_aside_and_what_is_on_its_way() -> None:
    subject = decider()
    assert ask(subject, "web", 77) == [77]
    assert open_numbers(subject, 3, 99) == [1, 3, 77, 99]


def test_requests_that_wait_together_all_have_enough_set_aside() -> None:
    subject = decider(10)
    for name, count in (("a", 2), ("b", 1), ("c", 3)):
        assert isinstance(subject.decide(request(name, *[None] * count), 1.0), Unnamed)
    write(subject, [at(1), at(2), at(3)], needed=6)
    decisions = [subject.decide(request(*asked), 1.0) for asked in (("a", None, None), ("b", None))]
    assert decisions == [Granted((at(1), at(2))), Granted((at(3),))]
    assert subject.decide(request("c", None, None, None), 1.0) == Granted((at(4), at(5), at(6)))


def test_where_too_little_is_free_what_has_cooled_longest_is_named_as_well() -> None:
    subject = decider(4)
    fill_and_release(subject, "a", "b", "c")
    assert open_numbers(subject, needed=3) == [1, 2, 4]
    write(subject, needed=3)
    assert subject.decide(request("web", None, None, None), 4.0) == Granted((at(4), at(1), at(2)))


@pytest.mark.parametrize(("size", "length"), [(1, 1), (15, 1), (31, 1), (32, 2), (POOL_SHARE * 100, 100)])
def test_no_more_than_a_sixteenth_of_the_pool_is_set_aside_and_at_least_one_address(size: int, length: int) -> None:
    assert len(decider(size).names((), 0).open) == length


def test_of_a_huge_pool_so_much_is_set_aside_as_two_renewals_use() -> None:
    huge = Ledger(Pool([AddressRange(0, LARGEST_ADDRESS)]), in_flight_bound=BOUND, cool_down=0.0)
    assert len(in_office(huge).names((), 0).open) == LONGEST_STRETCH


def test_a_decider_says_when_little_is_left_of_what_is_set_aside() -> None:
    subject = decider(16 * 4)
    assert not subject.is_short
    write(subject)
    for number, short in ((1, False), (2, False), (3, True)):
        subject.decide(request(f"web-{number}", None), 1.0)
        assert subject.is_short is short


def test_the_last_address_given_to_somebody_who_asked_for_any_is_told() -> None:
    subject = decider()
    assert subject.names((), 0).last is None
    ask(subject, "web", None, 3)
    assert subject.names((), 0).last == at(1)


# Leave when seen


def test_an_address_leaves_when_its_object_has_been_seen_and_the_write_tells_how_new_that_view_was() -> None:
    subject = decider()
    ask(subject, "web", 77)
    assert 77 in open_numbers(subject)
    subject.ledger.observe(holder("web", 77), 2.0, version=41)
    names = subject.names((), 0)
    assert at(77) not in names.open
    assert names.seen == {"Pod": 41}


def test_an_address_whose_grant_came_to_nothing_leaves_when_the_view_is_proven_past_its_bound() -> None:
    subject = decider()
    ask(subject, "web", 77, now=5.0)
    subject.ledger.prove(5.0 + BOUND - 0.001)
    assert 77 in open_numbers(subject)
    subject.ledger.prove(5.0 + BOUND)
    assert 77 not in open_numbers(subject)


def test_an_address_stays_while_what_was_seen_may_be_the_one_before() -> None:
    subject = decider()
    subject.ledger.observe(holder("web", 3, uid="uid-1"), 1.0)
    assert ask(subject, "web", 3) == [3]
    subject.ledger.observe(holder("web", 3, uid="uid-1"), 11.0)
    assert 3 in open_numbers(subject)
    subject.ledger.observe(holder("web", 3, uid="uid-2"), 12.0)
    assert 3 not in open_numbers(subject)


def test_an_address_named_for_somebody_who_went_away_leaves() -> None:
    subject = decider()
    write(subject, [at(77)])
    assert 77 not in open_numbers(subject)


# No more names than the Lease has room for


def crowded(room: int) -> Decider:
    """One whose Lease has room for so many names, the others being on their way."""
    subject = in_office(ledger(1_000))
    for number in range(20_000, 20_000 + MOST_NAMES - room):
        subject.ledger.grant(at(number), pod("web"), 1.0)
    return subject


def test_when_there_is_no_room_for_what_is_asked_for_the_write_says_so_and_names_the_rest() -> None:
    subject = crowded(room=3)
    names = subject.names([at(n) for n in (5_001, 5_002, 5_003, 5_004)], 1)
    assert not names.complete
    assert set(subject.ledger.unseen()) < names.open
    assert at(5_001) not in names.open
    assert len(names.open) == MOST_NAMES


def test_less_is_set_aside_when_there_is_little_room() -> None:
    subject = crowded(room=5)
    names = subject.names([at(5_001), at(5_002)], 0)
    assert names.complete
    assert names.open - set(subject.ledger.unseen()) == {at(5_001), at(5_002), at(1), at(2), at(3)}


def test_what_cools_down_is_named_only_where_there_is_room() -> None:
    subject = crowded(room=2)
    subject.ledger.observe(holder("db", *range(1, 1_000)), 1.0)
    subject.ledger.vanish(key("db"), 2.0)
    names = subject.names((), 1_000)
    assert names.open - set(subject.ledger.unseen()) == {at(1_000), at(1)}


def test_without_any_room_nothing_is_set_aside() -> None:
    names = crowded(room=0).names((), 5)
    assert (names.complete, len(names.open)) == (True, MOST_NAMES)


def test_more_suspects_than_we_would_name_stay_named() -> None:
    """Another version of this program may name more. To leave one out would be to forget it."""
    subject = Decider(ledger())
    inherited = frozenset(map(at, range(1, MOST_NAMES + 10)))
    subject.take_over(inherited, None, 1.0)
    assert subject.names([at(77_777)], 0).open == inherited


def test_one_who_asks_for_more_than_can_be_named_is_in_nobody_elses_way() -> None:
    """What would have been set aside for it is given back, or there would be no room for anybody for good."""
    subject = in_office(ledger(200_000))
    assert not write(subject, map(at, range(100, 101 + MOST_NAMES)), MOST_NAMES + 1).complete
    assert ask(subject, "web", None, 77) == [1, 77]


def test_what_was_set_aside_for_one_who_went_away_is_given_back_with_the_next_write() -> None:
    subject = in_office(ledger(200_000))
    assert len(write(subject, needed=MOST_NAMES).open) == MOST_NAMES
    assert len(write(subject).open) == LONGEST_STRETCH
    assert decide(subject, request("web", None), 1.0) == Granted((at(1),))
