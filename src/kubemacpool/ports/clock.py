"""Time as the services see it: a duration since some fixed moment, never a time of day."""

from typing import Protocol


class Clock(Protocol):
    """A monotonic clock. Time of day may jump; nothing that the pool decides depends on it."""

    def now(self) -> float:
        """Seconds since a fixed moment in the past; never decreases while the process lives."""
        ...
