"""Where the search of a pool begins before anything was given."""

from tests.unit.core.subjects import BOUND, COOL_DOWN, at

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import AddressRequest, Allocated

RANGE = (AddressRange(at(1), at(10)),)


def subject(seed: int = 0) -> Allocator:
    return Allocator(Ledger(Pool(RANGE, seed=seed), in_flight_bound=BOUND, cool_down=COOL_DOWN))


def given(allocator: Allocator, name: str) -> int:
    """The number of the address that a pod would be given."""
    decision = allocator.decide(AddressRequest(Party("Pod", "ns", name), (None,), dry_run=True), 1.0)
    assert isinstance(decision, Allocated)
    return decision.addresses[0] - at(0)


def test_the_search_begins_where_the_pool_says() -> None:
    assert given(subject(), "a") == 1
    assert given(subject(seed=3), "a") == 4
    assert given(subject(seed=23), "a") == 4, "a seed may be larger than the pool"


def test_another_beginning_is_taken_up_and_the_same_one_goes_on() -> None:
    allocator = subject()
    allocator.acquire((), at(5), 0.0)
    assert given(allocator, "a") == 6
    allocator.replace_pool(Pool((*RANGE, AddressRange(at(20), at(30)))))
    assert given(allocator, "a") == 6
    allocator.replace_pool(Pool(RANGE, seed=8))
    assert given(allocator, "a") == 9


def test_whoever_takes_over_goes_on_where_the_other_was_and_not_at_the_beginning() -> None:
    allocator = subject(seed=3)
    allocator.acquire((), at(7), 0.0)
    assert given(allocator, "a") == 8
