"""Structured logs on standard error: a constant message, and keys."""

import logging
import sys
import time
from collections import OrderedDict
from collections.abc import Callable, Iterator, MutableMapping
from typing import Any, Final, get_args

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from kubemacpool.pacing import TokenBucket
from kubemacpool.telemetry.levels import LogFormat, LogLevel

LINES_AT_ONCE: Final = 200
LINES_A_SECOND: Final = 5.0
"""Of one message. A person reads no more. A refusal of ten faults has 2 KiB: somebody who provokes nothing but the
longest lines makes 10 KiB a second of them, where the API server's audit log has more of each request."""

MESSAGES: Final = 256
"""That are counted apart; the program has some fifty, and its libraries are counted by the logger's name."""

LONGEST_VALUE: Final = 2048
"""Characters of one value. The longest that says something is a refusal with ten faults, about 1,500."""

MOST_ITEMS: Final = 20
"""Of a list among the values."""

MOST_FRAMES: Final = 20
"""Of a traceback: the outermost and the innermost ones."""

LONGEST_LEVEL: Final = 20
"""Characters of a level that is none, as a message quotes it."""

EventDict = MutableMapping[str, Any]


class LineRation:
    """Lets through so many lines of each message (a structlog processor, and a filter for the lines of libraries)."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._buckets: OrderedDict[str, TokenBucket] = OrderedDict()
        self._left_out: dict[str, int] = {}

    def __call__(self, _logger: object, method: str, line: EventDict) -> EventDict:
        """Pass a line of ours on, with how many like it were left out, or raise `structlog.DropEvent`."""
        message = str(line.get("event", ""))
        if method == "debug":  # whoever asks for these asks for all of them
            return line
        if not self._may_write(message):
            raise structlog.DropEvent
        left_out = self._left_out.pop(message, 0)
        if left_out:
            line["left_out_before"] = left_out
        return line

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a library's line is written; they have no constant messages, so the logger's name stands for one."""
        return self._may_write(record.name)

    def left_out(self) -> Iterator[tuple[str, int]]:
        """Message by message how many lines were left out since that was said last; asking is saying."""
        left_out, self._left_out = self._left_out, {}
        yield from left_out.items()

    def _may_write(self, message: str) -> bool:
        bucket = self._buckets.get(message)
        if bucket is None:
            bucket = self._buckets[message] = TokenBucket(LINES_A_SECOND, LINES_AT_ONCE)
            if len(self._buckets) > MESSAGES:
                forgotten, _ = self._buckets.popitem(last=False)
                self._left_out.pop(forgotten, None)
        self._buckets.move_to_end(message)
        if bucket.take(self._now()):
            return True
        self._left_out[message] = self._left_out.get(message, 0) + 1
        return False


def shorten(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Cut every value that is too long (a structlog processor)."""
    for key, value in line.items():
        line[key] = _shortened(value)
    return line


def shorten_exceptions(_logger: object, _method: str, line: EventDict) -> EventDict:
    """Cut what exceptions say, which may quote whatever an object contained (a structlog processor)."""
    exceptions = line.get("exception")
    if isinstance(exceptions, list):
        for exception in exceptions:
            exception["exc_value"] = _shortened(exception["exc_value"])
    return line


def _shortened(value: object) -> object:
    if isinstance(value, str):
        return value if len(value) <= LONGEST_VALUE else f"{value[:LONGEST_VALUE]}… ({len(value)} characters)"
    if isinstance(value, list):
        shown = [_shortened(item) for item in value[:MOST_ITEMS]]
        return shown if len(value) <= MOST_ITEMS else [*shown, f"and {len(value) - MOST_ITEMS} more"]
    return value


_tracebacks = structlog.processors.ExceptionRenderer(
    # The values of variables stay out of it: some are secrets, and some are whole objects of somebody's.
    ExceptionDictTransformer(show_locals=False, max_frames=MOST_FRAMES)
)


def configure_logs(level: LogLevel, log_format: LogFormat) -> LineRation:
    """Send every log line of the program, and those of its libraries, to standard error in one format.

    Returns:
        What leaves lines out when there are too many of one kind.
    """
    ration = LineRation()
    shared: list[structlog.typing.Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        shorten,
    ]
    renderer: structlog.typing.Processor = (
        structlog.processors.JSONRenderer()
        if log_format == "json"
        else structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    )
    tracebacks: list[structlog.typing.Processor] = [_tracebacks, shorten_exceptions] if log_format == "json" else []
    Levels.use(level)
    structlog.configure(
        processors=[ration, *shared, *tracebacks, renderer],
        wrapper_class=_Logger,
        logger_factory=structlog.PrintLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(sys.stderr)
    handler.addFilter(ration)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=shared,
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *tracebacks, renderer],
        )
    )
    logging.basicConfig(level=Levels.of_libraries(level), handlers=[handler], force=True)
    return ration


class _Logger(structlog.make_filtering_bound_logger(logging.DEBUG)):  # type: ignore[misc]  # made at run time
    """The class of all loggers, which they keep from their first line on; its methods are those of the level in use."""


class Levels:
    """The level in use, which may change while the program runs."""

    current: LogLevel = "info"
    """The least severe lines that are written."""

    @classmethod
    def use(cls, level: LogLevel) -> None:
        """Write these lines from now on."""
        made = structlog.make_filtering_bound_logger(logging.getLevelNamesMapping()[level.upper()])
        for name, method in vars(made).items():
            if callable(method):
                setattr(_Logger, name, method)
        logging.getLogger().setLevel(cls.of_libraries(level))
        cls.current = level

    @classmethod
    def change(cls, level: str) -> None:
        """Write these lines from now on, and say so.

        Raises:
            ValueError: there is no such level.
        """
        known: tuple[LogLevel, ...] = get_args(LogLevel)
        found = next((each for each in known if each == level), None)
        if found is None:
            raise ValueError(f"there is no level {level[:LONGEST_LEVEL]!r}, only {', '.join(known)}")
        before = cls.current
        cls.use(found)
        structlog.get_logger(__name__).warning("log level changed", before=before, now=found)

    @staticmethod
    def of_libraries(level: LogLevel) -> int:
        """Of the lines that libraries write: theirs below a warning are for those who write them."""
        return max(logging.getLevelNamesMapping()[level.upper()], logging.WARNING)
