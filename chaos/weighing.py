"""What the replicas take of the machine, and whether one of them ended by itself."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from devcluster.installation import ReplicaStatus

POLL_SECONDS: Final = 0.25


class Weigher:
    """Looks at every replica now and then.

    Args:
        replicas: all of them, as they are now.
    """

    def __init__(self, replicas: Callable[[], Iterable[ReplicaStatus]]) -> None:
        self.peak: dict[str, int] = {}
        """By replica, the most bytes that it had resident."""
        self.ended: list[str] = []
        """Processes that ended though nobody had ended them, a sentence each."""
        self.excused = False
        """Whether processes are being ended on purpose."""
        self._replicas = replicas
        self._pids: dict[str, int] = {}
        self._logs: dict[str, tuple[int, int]] = {}  # the size at first sight, and the latest

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(POLL_SECONDS)

    @property
    def log_bytes(self) -> int:
        """How much all logs have grown since the first look."""
        return sum(latest - first for first, latest in self._logs.values())

    def look(self) -> None:
        """Look once."""
        for replica in self._replicas():
            before = self._pids.get(replica.name)
            if before is not None and replica.pid != before and not self.excused:
                self.ended.append(f"{replica.name} (process {before}): {replica.last_exit}")
            if replica.pid is None:
                self._pids.pop(replica.name, None)
            else:
                self._pids[replica.name] = replica.pid
                self.peak[replica.name] = max(self.peak.get(replica.name, 0), resident(replica.pid))
            log = Path(replica.log)
            if log.exists():
                size = log.stat().st_size
                first = self._logs[replica.log][0] if replica.log in self._logs else size if before is None else 0
                self._logs[replica.log] = (first, max(size, first))


def resident(pid: int) -> int:
    """Bytes of memory that a process has; 0 for one that has ended meanwhile."""
    try:
        pages = Path(f"/proc/{pid}/status").read_text(encoding="ascii")
    except OSError:
        return 0
    for line in pages.splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    return 0
