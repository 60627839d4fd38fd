"""Which address is given to those who ask for any, and what is said when there is none."""

import pytest
from tests.unit.core.subjects import (
    BOUND,
    COOL_DOWN,
    allocator,
    ask,
    at,
    everything,
    fill_and_release,
    holder,
    in_office,
    key,
    machine,
    pod,
    pool,
    refusals,
    request,
    write,
)

from kubemacpool.core.addresses import LARGEST_ADDRESS
from kubemacpool.core.allocator import LARGEST_BLOCK
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import Allocated, Exhausted, Fault, Refusal, Unreserved


def test_a_full_pool_says_how_it_came_to_that_and_records_nothing() -> None:
    subject = allocator(4)
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(1),)), 1.0)
    subject.ledger.vanish(key("vm", "VirtualMachine"), 2.0)
    assert ask(subject, "web", None, now=3.0) == [2]
    before = everything(subject)
    decision = subject.decide(request("db", *[None] * 5), 4.0)
    assert decision == Exhausted("02:00:00:00:00:01-02:00:00:00:00:04", 4, needed=5, missing=3, returning=2)
    assert everything(subject) == before


def test_when_nothing_else_is_free_the_pods_address_that_has_cooled_longest_is_given() -> None:
    subject = allocator(3)
    fill_and_release(subject, "a", "b", "c")  # released at 1.0, 2.0 and 3.0
    assert ask(subject, "web", None, None, now=4.0) == [1, 2]
    assert ask(subject, "db", None, None, now=4.0) is None  # all or nothing
    assert ask(subject, "db", None, now=4.0) == [3]


def test_free_addresses_are_given_before_those_that_cool() -> None:
    subject = allocator(3)
    fill_and_release(subject, "a", "b")
    assert ask(subject, "web", None, None, now=4.0) == [3, 1]


def test_an_address_that_cools_and_is_asked_for_is_not_given_early_to_the_next_interface() -> None:
    subject = allocator(2)
    fill_and_release(subject, "a", "b")
    assert ask(subject, "web", None, 1, now=4.0) == [2, 1]


def test_a_machines_address_waits_for_its_cool_down() -> None:
    subject = allocator(1)
    subject.ledger.observe(Holder(key("vm", "VirtualMachine"), "uid-1", machine("vm"), (at(1),)), 1.0)
    subject.ledger.vanish(key("vm", "VirtualMachine"), 2.0)
    assert ask(subject, "web", None, now=2.0 + COOL_DOWN - 0.001) is None
    assert ask(subject, "web", None, now=2.0 + COOL_DOWN) == [1]


def test_an_address_is_used_again_as_late_as_possible() -> None:
    """The search goes round, with or without a cool-down."""
    subject = allocator(4, cool_down=0)
    given = []
    for number in range(8):
        given += ask(subject, f"web-{number}", None) or []
        subject.ledger.observe(holder(f"web-{number}", given[-1]), 10.0)
        subject.ledger.vanish(key(f"web-{number}"), 10.0)
    assert given == [1, 2, 3, 4, 1, 2, 3, 4]


REPLACEMENTS = {
    "a longer pool goes on behind the last": ([(1, 8)], 5),
    "and so after it had come round": ([(1, 4), (1, 8)], 5),
    "a pool with other addresses starts with the first after the last": ([(3, 3), (7, 9)], 7),
    "a pool that lies before the last starts with its first": ([(1, 2)], 1),
    "there and back again goes on where it was": ([(20, 29), (1, 8)], 5),
}


@pytest.mark.parametrize(("replacements", "expected"), REPLACEMENTS.values(), ids=REPLACEMENTS)
def test_in_another_pool_the_search_goes_on_after_the_address_that_it_gave_last(
    replacements: list[tuple[int, int]], expected: int
) -> None:
    subject = allocator(4, cool_down=0)
    assert ask(subject, "web", None, None, None, None) == [1, 2, 3, 4]
    subject.ledger.pass_barrier(10.0 + BOUND)
    for first, last in replacements:
        subject.replace_pool(pool(first, last))
    assert ask(subject, "db", None) == [expected]


def test_a_pool_replaced_before_the_first_allocation_starts_with_its_first_address() -> None:
    subject = allocator(4)
    subject.replace_pool(pool(3, 9))
    assert ask(subject, "web", None) == [3]


def test_those_outside_a_new_pool_keep_what_they_have() -> None:
    subject = allocator(4)
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.replace_pool(pool(3, 9))
    found = refusals(subject, request("db", 1))
    assert found == (Refusal(0, at(1), Fault.HELD, pod("web")),)


def test_allocations_and_releases_of_one_moment_keep_their_order() -> None:
    """A clock may stand still between two calls."""
    subject = allocator(3)
    for name in ("a", "b", "c"):
        allocated = ask(subject, name, None, now=5.0)
        assert allocated
        subject.ledger.observe(holder(name, *allocated), 5.0)
    for name in ("b", "c", "a"):
        subject.ledger.vanish(key(name), 5.0)
    assert ask(subject, "web", None, now=5.0) == [2]
    assert ask(subject, "db", None, now=5.0) == [3]
    subject.ledger.pass_barrier(5.0 + BOUND)
    assert subject.ledger.in_flight_count == 0


class CountingLedger(Ledger):
    """Counts the steps of a search for addresses."""

    steps = 0

    def next_free(self, position: int) -> int | None:
        """One step."""
        self.steps += 1
        return super().next_free(position)

    def taken_steps(self) -> int:
        """How many there were since this was asked last."""
        steps, self.steps = self.steps, 0
        return steps


def counting(over: Pool) -> CountingLedger:
    return CountingLedger(over, in_flight_bound=BOUND, cool_down=COOL_DOWN)


@pytest.mark.parametrize("missing", [0, 1, 1_000])
def test_a_request_looks_at_each_address_once_however_many_interfaces_it_has(missing: int) -> None:
    """An annotation has room for thousands of entries: a search for each of them would keep everybody else waiting."""
    over = counting(pool(1, 1_000))
    subject = in_office(over)
    asked = request("web", *range(1, 500), *[None] * (501 + missing))
    decision = subject.decide(asked, 1.0)
    assert over.taken_steps() <= 1_001
    if missing:
        assert isinstance(decision, Exhausted)
        return
    assert isinstance(decision, Unreserved)
    write(subject, decision.addresses, decision.automatic)
    assert over.taken_steps() <= 1_001
    assert isinstance(subject.decide(asked, 1.0), Allocated)
    assert over.taken_steps() <= 1_001


@pytest.mark.parametrize("over", [pool(1, 4), Pool([AddressRange(0, LARGEST_ADDRESS)])], ids=["small", "huge"])
def test_a_pool_of_nearly_everything_costs_no_more_than_a_small_one(over: Pool) -> None:
    """In both the next address is found in one step of the search, and in none where it has been set aside."""
    ledger = counting(over)
    subject = in_office(ledger)
    assert isinstance(subject.decide(request("web", None), 1.0), Unreserved)
    assert ledger.taken_steps() == 1
    write(subject)
    assert ledger.taken_steps() <= LARGEST_BLOCK + 1
    assert isinstance(subject.decide(request("web", None), 1.0), Allocated)
    assert ledger.taken_steps() == 0
    assert len(ledger._occupancy._chunks) == 1
