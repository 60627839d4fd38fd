"""Structured logs on standard error: a constant message, and keys."""

import logging
import sys
from typing import Literal

import structlog
from structlog.tracebacks import ExceptionDictTransformer

from kubemacpool.telemetry.quieting import MOST_FRAMES, LineRation, shorten, shorten_exceptions

_tracebacks = structlog.processors.ExceptionRenderer(
    # The values of variables stay out of it: some are secrets, and some are whole objects of somebody's.
    ExceptionDictTransformer(show_locals=False, max_frames=MOST_FRAMES)
)

LogFormat = Literal["json", "console"]
LogLevel = Literal["debug", "info", "warning", "error"]


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
    number = logging.getLevelNamesMapping()[level.upper()]
    structlog.configure(
        processors=[ration, *shared, *tracebacks, renderer],
        wrapper_class=structlog.make_filtering_bound_logger(number),
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
    logging.basicConfig(level=max(number, logging.WARNING), handlers=[handler], force=True)
    return ration
