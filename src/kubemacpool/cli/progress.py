"""Progress of reads that take more than a moment, on the standard error, at a terminal only."""

import sys
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubemacpool.cli.cluster.survey import Tell

PATIENCE: Final = 1.0
"""Seconds: what is done by then needs no explanation."""


@contextmanager
def progress(expected: int = 0) -> "Iterator[Tell]":
    """Show how many objects of each kind have been read, until the block ends; the terminal is as before then.

    Args:
        expected: how many pods there are at most; 0 where that is not known.
    """
    if not sys.stderr.isatty():
        yield lambda _kind, _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    began = time.monotonic()
    tasks = {}

    def tell(kind: str, count: int) -> None:
        if kind not in tasks:
            tasks[kind] = shown.add_task(f"{kind}s", total=expected if kind == "Pod" and expected else None)
        shown.update(tasks[kind], completed=count)
        if not shown.live.is_started and time.monotonic() - began > PATIENCE:
            shown.start()

    try:
        yield tell
    finally:
        shown.stop()
