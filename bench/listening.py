"""A process that somebody else has started: found by where it listens, and kept on a core for a while."""

from __future__ import annotations

import os
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

PROC = Path("/proc")
_LISTENING = "0A"


def listener_of(port: int) -> int | None:
    """Return the pid of who listens on a TCP port of this machine; None where it is not to be seen.

    Source: proc_pid_net(5): local address, state and inode of every socket; /proc/PID/fd has the inodes of a process.
    """
    sockets = set()
    for table in ("tcp", "tcp6"):
        with suppress(OSError):
            for line in (PROC / "net" / table).read_text(encoding="ascii").splitlines()[1:]:
                fields = line.split()
                if fields[3] == _LISTENING and int(fields[1].rpartition(":")[2], 16) == port:
                    sockets.add(f"socket:[{fields[9]}]")
    if not sockets:
        return None
    for directory in PROC.glob("[0-9]*/fd"):
        with suppress(OSError):  # it has ended, or is not ours to look at
            for descriptor in directory.iterdir():
                with suppress(OSError):
                    if str(descriptor.readlink()) in sockets:
                        return int(directory.parent.name)
    return None


@contextmanager
def kept_on(pid: int | None, core: int) -> Iterator[bool]:
    """Keep every thread of a process on one core, and let it go again; tells whether that was possible."""
    before = _affinities(pid)
    kept = bool(before)
    try:
        for thread in before:
            with suppress(ProcessLookupError):
                os.sched_setaffinity(thread, {core})
    except PermissionError:
        kept = False
    try:
        yield kept
    finally:
        usual = next(iter(before.values()), set())
        for thread in _affinities(pid):
            # Threads that it has started meanwhile have got the core of the one that did.
            with suppress(OSError):
                os.sched_setaffinity(thread, before.get(thread, usual))


def _affinities(pid: int | None) -> dict[int, set[int]]:
    found: dict[int, set[int]] = {}
    if pid is not None:
        with suppress(OSError):
            for thread in (PROC / str(pid) / "task").iterdir():
                with suppress(OSError):
                    found[int(thread.name)] = os.sched_getaffinity(int(thread.name))
    return found
