"""How long to wait before the next attempt: longer each time, never quite the same, short again after success. Pure."""


class Backoff:
    """Delays that double from the first to the longest, each drawn between its half and its whole.

    The draw keeps clients apart that lost the same server at the same moment.

    Args:
        first: seconds, the delay after the first failure.
        longest: seconds, the delay that is never exceeded unless the other side asks for more.
    """

    def __init__(self, first: float = 0.1, longest: float = 10.0) -> None:
        self._first = first
        self._longest = longest
        self._failures = 0

    def succeeded(self) -> None:
        """The next failure counts as the first one."""
        self._failures = 0

    def next_delay(self, draw: float, *, at_least: float | None = None) -> float:
        """Seconds to wait after one more failure.

        Args:
            draw: a random number between 0 and 1.
            at_least: what the other side asked for (Retry-After), which is heard up to six times the longest delay.
        """
        whole = min(self._longest, self._first * 2.0 ** min(self._failures, 30))
        self._failures += 1
        delay = whole * (0.5 + draw / 2)
        if at_least is None:
            return delay
        return max(delay, min(at_least, 6 * self._longest))
