"""Files that others read while we write them: whole or not at all, and one writer at a time."""

from __future__ import annotations

import fcntl
import os
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

LOCK_POLL_SECONDS = 0.2
PROGRESS_SECONDS = 5.0


def write_atomically(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step, so that nobody reads half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_name(f".{path.name}.{os.getpid()}")
    draft.unlink(missing_ok=True)
    descriptor = os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    with os.fdopen(descriptor, "wb") as stream:
        stream.write(content)
    draft.replace(path)


@contextmanager
def locked(path: Path, reason: str, progress: Callable[[str], None]) -> Iterator[None]:
    """Hold the lock file; while another process has it, say every few seconds what we wait for.

    The kernel gives the lock back when its holder dies, so there is no stale one.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        said = 0.0
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if time.monotonic() - said >= PROGRESS_SECONDS:
                    said = time.monotonic()
                    progress(f"waiting for another process that {reason}")
                time.sleep(LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)
