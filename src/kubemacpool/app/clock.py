"""The process's own clock."""

import time


class MonotonicClock:
    """Seconds since the machine's boot (implements `Clock`); blind to every change of the time of day."""

    def now(self) -> float:
        """Seconds, from CLOCK_MONOTONIC."""
        return time.monotonic()
