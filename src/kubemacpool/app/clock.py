"""The process's own clock."""

import time


class MonotonicClock:
    """Seconds since the machine's boot (implements `Clock`); blind to every change of the time of day."""

    def now(self) -> float:
        """Seconds, from CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while the machine is suspended.

        A decider that was suspended must know on waking that its Lease has expired.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)
