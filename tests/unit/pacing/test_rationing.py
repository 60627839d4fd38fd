"""So many at once, and so many a second in the long run."""

from kubemacpool.pacing import TokenBucket


def _taken(bucket: TokenBucket, now: float, tries: int = 100) -> int:
    return sum(bucket.take(now) for _ in range(tries))


def test_there_is_a_burst_to_begin_with_and_then_a_rate() -> None:
    bucket = TokenBucket(5.0, 50)
    assert _taken(bucket, 1000.0) == 50
    assert _taken(bucket, 1000.1) == 0
    assert _taken(bucket, 1002.0) == 10


def test_what_is_not_taken_is_kept_up_to_the_burst() -> None:
    bucket = TokenBucket(5.0, 50)
    _taken(bucket, 0.0)
    assert _taken(bucket, 3600.0) == 50


def test_it_says_when_the_next_one_comes() -> None:
    bucket = TokenBucket(4.0, 1)
    assert bucket.ready_in(0.0) == 0.0
    assert bucket.take(0.0)
    assert bucket.ready_in(0.125) == 0.125
    assert bucket.ready_in(1.0) == 0.0


def test_it_is_full_when_nothing_was_taken_for_long_enough() -> None:
    bucket = TokenBucket(1.0, 2)
    assert bucket.is_full(0.0)
    bucket.take(0.0)
    assert not bucket.is_full(0.5)
    assert bucket.is_full(1.0)
