"""Progress of reads that take more than a moment, on the standard error, at a terminal only."""

import sys
import threading
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterator

    from kubemacpool.cli.cluster.survey import Tell

PATIENCE: Final = 1.0
"""Seconds: what is done by then needs no explanation."""


@contextmanager
def progress() -> "Iterator[Tell]":
    """Show how many objects of each kind have been read, until the block ends; the terminal is as before then."""
    if not sys.stderr.isatty():
        yield lambda _kind, _count: None
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

    columns = (TextColumn("reading {task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    shown = Progress(*columns, console=Console(stderr=True), transient=True)
    tasks = {"Pod": shown.add_task("Pods", total=None)}

    def tell(kind: str, count: int) -> None:
        if kind not in tasks:
            tasks[kind] = shown.add_task(f"{kind}s", total=None)
        shown.update(tasks[kind], completed=count)

    patience = threading.Timer(PATIENCE, shown.start)
    patience.daemon = True
    patience.start()
    try:
        yield tell
    finally:
        patience.cancel()
        patience.join()
        shown.stop()
