"""The processes that are measured: started for a while, pinned where asked, ended by pid, and their CPU time read."""

from __future__ import annotations

import os
import resource
import shutil
import subprocess
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from bench.errors import BenchError

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

LOG_LINES_SHOWN = 5
STOP_SECONDS = 15.0
_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")


class Child:
    """A running process."""

    def __init__(self, name: str, process: subprocess.Popen[bytes], log: Path) -> None:
        self.name = name
        self.log = log
        self._process = process

    @property
    def pid(self) -> int:
        """Its pid."""
        return self._process.pid

    def check(self) -> None:
        """Make sure that it still runs.

        Raises:
            BenchError: it has ended; with the last lines of its log.
        """
        status = self._process.poll()
        if status is not None:
            lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-LOG_LINES_SHOWN:]
            tail = "\n  ".join(lines) or "(empty)"
            message = f"{self.name} ended with status {status}. The end of its log {self.log}:\n  {tail}"
            raise BenchError(message)

    def cpu_seconds(self) -> float:
        """CPU time that it has used so far, in user and kernel mode."""
        return cpu_seconds(self.pid)


@contextmanager
def running(
    name: str,
    argv: Sequence[str],
    log: Path,
    environment: Mapping[str, str] | None = None,
    core: int | None = None,
) -> Iterator[Child]:
    """Run a program for as long as the block lasts, on one core if asked, and no longer than this process."""
    log.parent.mkdir(parents=True, exist_ok=True)
    with (
        log.open("ab") as output,
        subprocess.Popen(
            _bound_to_us(argv, core),
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env=dict(os.environ) | dict(environment or {}),
            # Ctrl-C reaches this process only, which then ends its children in order.
            start_new_session=True,
        ) as process,
    ):
        try:
            yield Child(name, process, log)
        finally:
            process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()


def output_of(
    argv: Sequence[str], within: float, environment: Mapping[str, str] | None = None, core: int | None = None
) -> str:
    """Run a program to its end and return what it wrote to standard output.

    Raises:
        BenchError: it failed, or took longer than `within` seconds.
    """
    with subprocess.Popen(
        _bound_to_us(argv, core),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=dict(os.environ) | dict(environment or {}),
        start_new_session=True,
        text=True,
    ) as process:
        try:
            output, errors = process.communicate(timeout=within)
        except subprocess.TimeoutExpired:
            message = f"{Path(argv[0]).name} did not end within {within:.0f} s."
            raise BenchError(message) from None
        finally:
            process.kill()
    if process.returncode != 0:
        message = f"{Path(argv[0]).name} ended with status {process.returncode}: {errors.strip()}"
        raise BenchError(message)
    return output


def cpu_seconds(pid: int) -> float:
    """CPU time that a process has used so far.

    Source: proc_pid_stat(5), utime and stime, in clock ticks of (usually) 10 ms.
    """
    stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    # The second field is the command in parentheses, and may itself hold spaces and parentheses.
    fields = stat.rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS_PER_SECOND


def memory_mib(pid: int) -> tuple[float, float]:
    """MiB of memory that a process uses now, and the most that it has used so far.

    Source: proc_pid_status(5), VmRSS and VmHWM, in KiB.
    """
    status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8", errors="replace")
    fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
    now, most = (int(fields[name].split()[0]) / 1024 for name in ("VmRSS", "VmHWM"))
    return now, most


class Others:
    """How much of the machine programs use that are not part of the benchmark; they spoil its figures."""

    def __init__(self) -> None:
        self._begun = time.monotonic()
        self._busy = _busy_seconds()
        self._own = _own_seconds()

    def share(self, watched_seconds: float) -> float:
        """Return the share since this was made, from 0 to 1.

        Args:
            watched_seconds: CPU time that the measured processes have used since.
        """
        own = _own_seconds() - self._own + watched_seconds
        wall = (time.monotonic() - self._begun) * (os.cpu_count() or 1)
        return max(0.0, (_busy_seconds() - self._busy - own) / wall)


def cores() -> tuple[int, int]:
    """Return a core for the server and one for its load; the same one where there is no second."""
    available = sorted(os.sched_getaffinity(0))
    return available[0], available[-1]


def _busy_seconds() -> float:
    """CPU time that the machine has spent on anything, or that its host kept from it.

    Source: proc_stat(5): user, nice, system, idle, iowait, irq, softirq, steal.
    """
    with Path("/proc/stat").open(encoding="ascii") as stat:
        ticks = [int(field) for field in stat.readline().split()[1:9]]
    return (sum(ticks) - ticks[3] - ticks[4]) / _TICKS_PER_SECOND


def _own_seconds() -> float:
    """CPU time of this process and of the programs that it has run to their end."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(each.ru_utime + each.ru_stime for each in used)


def _bound_to_us(argv: Sequence[str], core: int | None) -> list[str]:
    """Let the kernel end the program should this process be killed, and keep it on its core."""
    pinned = [] if core is None else ["taskset", "--cpu-list", str(core)]
    for tool in ("setpriv", *pinned[:1]):
        if shutil.which(tool) is None:
            message = f"The benchmark needs {tool}; install util-linux."
            raise BenchError(message)
    return ["setpriv", "--pdeathsig", "KILL", *pinned, *argv]
