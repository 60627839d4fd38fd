"""The addresses that are set aside for those who ask for any."""

import pytest
from tests.unit.core.subjects import at, holder, key, ledger, numbers, pod, pool

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.reservations import Block


def block(length: int, over: Ledger | None = None) -> Block:
    """So many addresses set aside, of ten where nothing else is said."""
    subject = Block(over or ledger(10))
    subject.resize(length)
    return subject


def give(subject: Block, over: Ledger, number: int) -> None:
    """As the leader does."""
    subject.give(at(number))
    over.allocate(at(number), pod("web"), 1.0)


def test_nothing_is_set_aside_at_first_and_the_candidates_are_in_the_pools_order() -> None:
    subject = Block(ledger(4))
    assert subject.addresses() == ()
    assert numbers(subject.candidates()) == [1, 2, 3, 4]


def test_the_next_free_addresses_are_set_aside_in_the_pools_order() -> None:
    over = ledger(10)
    over.observe(holder("web", 2, 4), 1.0)
    assert numbers(block(3, over).addresses()) == [1, 3, 5]


def test_it_begins_where_the_pool_says() -> None:
    over = Ledger(Pool([AddressRange(at(1), at(10))], seed=8), in_flight_bound=1.0, cool_down=1.0)
    assert numbers(block(3, over).addresses()) == [9, 10, 1]


def test_what_is_set_aside_comes_first_and_every_free_address_comes_once() -> None:
    over = ledger(6)
    subject = block(2, over)
    over.observe(holder("web", 5), 1.0)
    assert numbers(subject.candidates()) == [1, 2, 3, 4, 6]
    subject.go_on_after(at(4))
    subject.resize(3)
    assert numbers(subject.candidates()) == [6, 1, 2, 3, 4]


def test_it_goes_on_behind_what_is_set_aside_already() -> None:
    over = ledger(10)
    subject = block(3, over)
    give(subject, over, 1)
    give(subject, over, 2)
    subject.resize(3)
    assert numbers(subject.addresses()) == [3, 4, 5]


def test_the_search_goes_round_and_a_free_address_comes_again_as_late_as_possible() -> None:
    over = ledger(4)
    subject = block(1, over)
    for number in (1, 2, 3):
        subject.give(at(number))  # and it is free again at once
        subject.resize(1)
    assert numbers(subject.addresses()) == [4]
    subject.resize(3)
    assert numbers(subject.addresses()) == [4, 1, 2]


def test_an_address_that_becomes_free_where_the_search_has_passed_waits_for_the_next_round() -> None:
    over = ledger(6, cool_down=0)
    over.observe(holder("web", 2), 1.0)
    subject = block(3, over)
    assert numbers(subject.addresses()) == [1, 3, 4]
    over.vanish(key("web"), 2.0)
    assert numbers(subject.candidates()) == [1, 3, 4, 5, 6, 2]
    give(subject, over, 1)
    assert numbers(subject.candidates()) == [3, 4, 5, 6, 2]
    subject.resize(4)
    assert numbers(subject.addresses()) == [3, 4, 5, 6]


def test_no_more_is_set_aside_than_there_is() -> None:
    over = ledger(3)
    over.observe(holder("web", 2), 1.0)
    subject = block(100, over)
    assert numbers(subject.addresses()) == [1, 3]
    over.observe(holder("db", 1, 3), 2.0)
    subject.resize(100)
    assert subject.addresses() == ()
    assert list(subject.candidates()) == []


def test_what_is_no_longer_free_is_no_candidate_and_makes_room_for_the_next() -> None:
    """Somebody asked for it by name, or carries it past us."""
    over = ledger(10)
    subject = block(3, over)
    over.observe(holder("web", 2), 1.0)
    assert numbers(subject.candidates())[:2] == [1, 3]
    subject.resize(3)
    assert numbers(subject.addresses()) == [1, 3, 4]


@pytest.mark.parametrize(("length", "left"), [(2, [1, 2]), (0, []), (-5, [])])
def test_what_is_too_many_is_given_back_and_is_the_next_again(length: int, left: list[int]) -> None:
    subject = block(5)
    subject.resize(length)
    assert numbers(subject.addresses()) == left
    subject.resize(4)
    assert numbers(subject.addresses()) == [1, 2, 3, 4]


def test_it_is_short_when_less_than_half_is_left() -> None:
    over = ledger(10)
    subject = block(4, over)
    shortness = [subject.is_short]
    for number in (1, 2, 3):
        give(subject, over, number)
        shortness.append(subject.is_short)
    assert shortness == [False, False, False, True]
    subject.resize(4)
    assert not subject.is_short


def test_where_nothing_can_be_set_aside_it_is_not_short() -> None:
    """Or the Lease would be written over and over while the pool is full."""
    over = ledger(2)
    over.observe(holder("web", 1, 2), 1.0)
    assert not Block(over).is_short
    assert not block(5, over).is_short


def test_what_is_given_back_is_the_next_to_be_set_aside() -> None:
    over = ledger(10)
    subject = block(5, over)
    give(subject, over, 1)
    subject.give_back()
    assert subject.addresses() == ()
    assert not subject.is_short
    assert numbers(subject.candidates())[0] == 2
    subject.resize(2)
    assert numbers(subject.addresses()) == [2, 3]


def test_given_back_before_the_first_allocation_it_begins_where_it_did() -> None:
    subject = block(5)
    subject.give_back()
    assert (subject.last, numbers(subject.candidates())[0]) == (-1, 1)


def test_an_address_given_from_beyond_is_where_the_search_goes_on() -> None:
    """So it is with one that cooled, given because nothing else was free."""
    over = ledger(10)
    subject = block(0, over)
    subject.give(at(7))
    assert numbers(subject.candidates())[0] == 8
    over.observe(holder("web", *range(1, 11)), 1.0)
    over.vanish(key("web"), 1.0)
    subject.give(at(3))
    over.end_cooling(1000.0)
    assert numbers(subject.candidates())[0] == 4


def test_it_goes_on_where_another_was() -> None:
    subject = block(5)
    subject.go_on_after(at(8))
    assert subject.addresses() == ()
    assert numbers(subject.candidates()) == [9, 10, 1, 2, 3, 4, 5, 6, 7, 8]


def test_where_another_was_may_lie_outside_the_pool() -> None:
    """The range was changed meanwhile: it goes on with the next greater address, or with the first."""
    over = Ledger(Pool([AddressRange(at(5), at(6)), AddressRange(at(8), at(9))]), in_flight_bound=1.0, cool_down=1.0)
    subject = Block(over)
    for last, expected in ((1, 5), (7, 8), (20, 5)):
        subject.go_on_after(at(last))
        assert numbers(subject.candidates())[0] == expected


def test_begun_anew_it_is_where_the_first_search_begins() -> None:
    over = ledger(10)
    subject = block(3, over)
    give(subject, over, 1)
    over.pass_barrier(1000.0)
    subject.begin_anew()
    assert (subject.last, subject.addresses()) == (-1, ())
    assert numbers(subject.candidates())[0] == 1


def test_what_the_pool_no_longer_has_is_neither_candidate_nor_kept() -> None:
    over = ledger(10)
    subject = block(3, over)
    over.replace_pool(pool(3, 6))
    assert numbers(subject.candidates()) == [3, 4, 5, 6]
    subject.resize(3)
    assert numbers(subject.addresses()) == [3, 4, 5]
