"""Durations as Go writes them, such as `10s` or `1m30s`: the webhook's time-out in the query of a review."""

import re
from typing import Final

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER: Final = r"(?:\d++(?:\.\d*+)?|\.\d++)"  # possessive: what was read is never read again
_PART: Final = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE: Final = re.compile(rf"[+-]?(?:(?:{_NUMBER})(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0", re.ASCII)


_LONGEST: Final = 2**63 * 1e-9
"""Seconds: what Go's time.Duration can hold, 292 years."""


class DurationError(ValueError):
    """A text that is no duration; its message says what would be."""


def parse_duration(text: str) -> float:
    """Read a duration, in seconds.

    Source: Go's time.ParseDuration.

    Raises:
        DurationError: when the text is none.
    """
    if _WHOLE.fullmatch(text) is None:
        raise DurationError("not a duration; write it like 10s, 1m30s or 8760h0m0s")
    seconds = sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), start=0.0)
    if seconds > _LONGEST:
        raise DurationError("longer than 292 years, the longest duration that can be written")
    return -seconds if text.startswith("-") else seconds
