"""What is counted and reported together."""

from kubemacpool.pacing import Tally


def test_the_first_is_reported_at_once_and_the_rest_together_when_it_is_time() -> None:
    tally = Tally(60.0)
    tally.count += 1
    assert tally.due(100.0) == 1
    tally.count += 3
    assert (tally.due(100.0), tally.due(159.9), tally.count) == (0, 0, 3)
    assert (tally.due(160.0), tally.count) == (3, 0)


def test_nothing_is_reported_of_nothing_and_that_puts_nothing_off() -> None:
    tally = Tally(60.0)
    assert tally.due(100.0) == 0
    tally.count += 1
    assert tally.due(100.1) == 1
