"""A new decider's view must be as new as the last one's was (rule 4)."""

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, NamedTuple

import structlog

from kubemacpool.ports.errors import OutsideError
from kubemacpool.service.progress import ViewProgress

PATIENCE: Final = 2.0
"""Seconds for a watch to tell of what another watch has told already: it normally takes milliseconds."""

_log = structlog.get_logger(__name__)


class View(NamedTuple):
    """What is known of one kind.

    Attributes:
        progress: how far it has come.
        relist: lists the kind afresh; returns when a list that began after the call is complete.
    """

    progress: ViewProgress
    relist: Callable[[], Awaitable[None]]


async def catch_up(views: Mapping[str, View], seen: Mapping[str, int]) -> None:
    """Returns when every view has reached what is asked of its kind, or was listed afresh since."""
    await asyncio.gather(*(_catch_up(kind, views[kind], version) for kind, version in seen.items()))


async def list_afresh(views: Mapping[str, View]) -> None:
    """Returns when every kind was listed afresh."""
    await asyncio.gather(*(view.relist() for view in views.values()))


async def _catch_up(kind: str, view: View, version: int) -> None:
    try:
        async with asyncio.timeout(PATIENCE):
            await view.progress.until(version)
    except (TimeoutError, OutsideError):
        _log.warning("the watch is behind, listing afresh", kind=kind, version=version)
        await view.relist()
