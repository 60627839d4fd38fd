from hypothesis import given
from hypothesis import strategies as st

from kubemacpool.pacing import Backoff


@given(st.lists(st.floats(min_value=0, max_value=1), min_size=1, max_size=60))
def test_every_delay_lies_between_half_and_all_of_a_whole_that_doubles_up_to_the_longest(draws: list[float]) -> None:
    backoff = Backoff(first=0.1, longest=10)
    for failures, draw in enumerate(draws):
        whole = min(10, 0.1 * 2**failures)
        assert whole / 2 <= backoff.next_delay(draw) <= whole


def test_success_makes_the_next_delay_short_again() -> None:
    backoff = Backoff(first=1, longest=8)
    assert [backoff.next_delay(1) for _ in range(3)] == [1, 2, 4]
    backoff.succeeded()
    assert backoff.next_delay(1) == 1


def test_what_the_other_side_asks_for_is_heard_within_reason() -> None:
    backoff = Backoff(first=1, longest=8)
    assert backoff.next_delay(1, at_least=5) == 5
    assert backoff.next_delay(1, at_least=0.5) == 2
    assert backoff.next_delay(1, at_least=3600) == 48
