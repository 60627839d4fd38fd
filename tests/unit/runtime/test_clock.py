import time

from kubemacpool.runtime import MonotonicClock


def test_the_clock_never_goes_back_and_counts_the_time_that_the_machine_was_suspended() -> None:
    clock = MonotonicClock()
    awake = time.clock_gettime(time.CLOCK_MONOTONIC)
    before = time.clock_gettime(time.CLOCK_BOOTTIME)
    assert before <= clock.now() <= clock.now() <= time.clock_gettime(time.CLOCK_BOOTTIME)
    assert clock.now() >= awake
