"""A bound on how often something may happen: so many at once, and so many a second in the long run. Pure."""


class TokenBucket:
    """Tokens that come at an even rate and are kept up to a bound; whoever does something takes one.

    Args:
        rate: tokens a second.
        burst: the most that are kept, and what there is to begin with.
    """

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = burst
        self._left = float(burst)
        self._filled_at: float | None = None

    def take(self, now: float) -> bool:
        """Take a token, if there is one.

        Args:
            now: seconds on a monotonic clock.
        """
        self._fill(now)
        if self._left < 1.0:
            return False
        self._left -= 1.0
        return True

    def ready_in(self, now: float) -> float:
        """Seconds until there is a token; 0 when there is one."""
        self._fill(now)
        return max(0.0, (1.0 - self._left) / self._rate)

    def is_full(self, now: float) -> bool:
        """Whether nothing was taken for so long that the bucket is as good as a new one."""
        self._fill(now)
        return self._left >= self._burst

    def _fill(self, now: float) -> None:
        if self._filled_at is not None:
            self._left = min(self._burst, self._left + (now - self._filled_at) * self._rate)
        self._filled_at = now
