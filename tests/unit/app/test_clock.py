import time

from kubemacpool.app.clock import MonotonicClock


def test_the_clock_is_blind_to_the_time_of_day() -> None:
    clock = MonotonicClock()
    before = time.monotonic()
    assert before <= clock.now() <= clock.now() <= time.monotonic()
