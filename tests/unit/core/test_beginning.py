"""Where the search of a pool begins before anything was given."""

from tests.unit.core.subjects import BOUND, COOL_DOWN, at

from kubemacpool.core.allocator import Decider
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import AddressRequest, Granted

RANGE = (AddressRange(at(1), at(10)),)


def subject(seed: int = 0) -> Decider:
    return Decider(Ledger(Pool(RANGE, seed=seed), in_flight_bound=BOUND, cool_down=COOL_DOWN))


def given(decider: Decider, name: str) -> int:
    """The number of the address that a pod would be given."""
    decision = decider.decide(AddressRequest(Party("Pod", "ns", name), (None,), dry_run=True), 1.0)
    assert isinstance(decision, Granted)
    return decision.addresses[0] - at(0)


def test_the_search_begins_where_the_pool_says() -> None:
    assert given(subject(), "a") == 1
    assert given(subject(seed=3), "a") == 4
    assert given(subject(seed=23), "a") == 4, "a seed may be larger than the pool"


def test_another_beginning_is_taken_up_and_the_same_one_goes_on() -> None:
    decider = subject()
    decider.take_over((), at(5), 0.0)
    assert given(decider, "a") == 6
    decider.replace_pool(Pool((*RANGE, AddressRange(at(20), at(30)))))
    assert given(decider, "a") == 6
    decider.replace_pool(Pool(RANGE, seed=8))
    assert given(decider, "a") == 9


def test_whoever_takes_over_goes_on_where_the_other_was_and_not_at_the_beginning() -> None:
    decider = subject(seed=3)
    decider.take_over((), at(7), 0.0)
    assert given(decider, "a") == 8
