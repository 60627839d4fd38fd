"""Processes that outlive the command that starts them, known by pid and start time.

A pid alone says little: after a crash or a restart of the machine, the kernel gives it to somebody else. A process is
therefore recorded with its start time and the boot that it belongs to, and nothing is ever signalled that does not
match all three. Signals go through a pidfd, so that a pid which is recycled between the look and the kill is not hit.
"""

from __future__ import annotations

import os
import select
import signal
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devcluster.errors import ProcessError
from devcluster.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

LOG_LINES_SHOWN = 5
# The first descriptor after stdin, stdout and stderr: where a started process finds what it is to keep open.
HELD_DESCRIPTOR = 3
STDERR = 2
_DEAD_STATES = frozenset("ZXx")


class ProcessId(msgspec.Struct, frozen=True):
    """One process for good: no other process ever has the same three values.

    `started` is in clock ticks since boot (field 22 of `/proc/PID/stat`).
    """

    pid: int
    started: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> ProcessId | None:
        """Identify the process that has this pid now, or return None when it has none or is only a zombie."""
        try:
            stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
        except (FileNotFoundError, ProcessLookupError):
            return None
        # The second field is the command in parentheses, and may itself hold spaces and parentheses.
        fields = stat.rpartition(")")[2].split()
        # A program of many threads is a zombie as soon as its first thread has ended; the others may still hold ports.
        if fields[0] in _DEAD_STATES and int(fields[17]) <= 1:
            return None
        return cls(pid=pid, started=int(fields[19]), boot=_boot_id())

    @classmethod
    def current(cls) -> ProcessId:
        """Identify the calling process."""
        process = cls.of(os.getpid())
        if process is None:
            message = "The calling process is not in /proc; is /proc mounted?"
            raise ProcessError(message)
        return process

    def alive(self) -> bool:
        """Tell whether exactly this process is still running."""
        return ProcessId.of(self.pid) == self

    def send(self, signum: signal.Signals) -> None:
        """Signal exactly this process; one that is gone is none."""
        with suppress(ProcessLookupError):
            descriptor = os.pidfd_open(self.pid)
            try:
                # Asked after the descriptor is open: from here on the pid cannot be given to another process.
                if self.alive():
                    signal.pidfd_send_signal(descriptor, signum)
            finally:
                os.close(descriptor)

    def wait(self, seconds: float) -> bool:
        """Wait until the process has ended, and reap it if it is ours; False when the time is over first."""
        try:
            descriptor = os.pidfd_open(self.pid)
        except ProcessLookupError:
            return True
        try:
            if not self.alive():
                return True
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            return bool(poll.poll(seconds * 1000))
        finally:
            os.close(descriptor)
            reap(self.pid)

    def stop(self, grace: float) -> None:
        """Ask the process to end, wait for it, and kill it when `grace` seconds have passed."""
        self.send(signal.SIGTERM)
        if not self.wait(grace):
            self.send(signal.SIGKILL)
            self.wait(grace)


@dataclass(frozen=True, slots=True)
class Daemon:
    """A place for one process: where its pid file and its log are."""

    name: str
    pid_file: Path
    log_file: Path

    def running(self) -> ProcessId | None:
        """Return the process that this place was last given, if it is still running."""
        try:
            recorded = msgspec.json.decode(self.pid_file.read_bytes(), type=ProcessId)
        except (FileNotFoundError, msgspec.DecodeError):
            # A pid file that cannot be read names nobody who could safely be signalled.
            return None
        return recorded if recorded.alive() else None

    def start(self, argv: Sequence[str], environment: Mapping[str, str], *, hold: int | None = None) -> ProcessId:
        """Start a process in a session of its own and record it.

        `hold` is a descriptor that the process keeps open for as long as it lives.
        """
        self.log_file.parent.mkdir(parents=True, exist_ok=True)
        actions: list[tuple[int, int] | tuple[int, int, int] | tuple[int, int, str, int, int]] = [
            *((os.POSIX_SPAWN_CLOSE, descriptor) for descriptor in _inherited() if descriptor != hold),
            (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
            (os.POSIX_SPAWN_OPEN, 1, str(self.log_file), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600),
            (os.POSIX_SPAWN_DUP2, 1, 2),
        ]
        if hold is not None:
            actions.append((os.POSIX_SPAWN_DUP2, hold, HELD_DESCRIPTOR))
        # Between the start and the record there must be no interrupt, or the process would be nobody's.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM, signal.SIGHUP})
        try:
            pid = os.posix_spawn(
                argv[0],
                list(argv),
                dict(environment),
                file_actions=actions,
                setsid=True,
                setsigmask=[],
                setsigdef=[signal.SIGINT, signal.SIGPIPE, signal.SIGXFSZ],
            )
            identity = ProcessId.of(pid)
            if identity is not None:
                write_atomically(self.pid_file, msgspec.json.encode(identity))
        except OSError as error:
            message = f"{self.name} cannot be started from {argv[0]}: {error.strerror}."
            raise ProcessError(message) from error
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if identity is None:
            reap(pid)
            raise ProcessError(self.obituary())
        return identity

    def stop(self, grace: float) -> bool:
        """End the process and forget it; False when none was running."""
        process = self.running()
        if process is not None:
            process.stop(grace)
        self.pid_file.unlink(missing_ok=True)
        return process is not None

    def obituary(self) -> str:
        """Say in one sentence that the process ended, with the last lines of its log."""
        return f"{self.name} ended. {last_words(self.log_file)}"


def last_words(log_file: Path, lines: int = LOG_LINES_SHOWN) -> str:
    """Quote the last lines of a log, with the place of the whole."""
    try:
        tail = log_file.read_text(encoding="utf-8", errors="replace").rstrip().splitlines()[-lines:]
    except FileNotFoundError:
        tail = []
    if not tail:
        return f"Its log {log_file} is empty."
    return f"The last lines of {log_file}:\n  " + "\n  ".join(tail)


def reap(pid: int) -> int | None:
    """Take the exit status of an ended child (negative: a signal); None when it is not ours or lives."""
    with suppress(ChildProcessError):
        ended, status = os.waitpid(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status)
    return None


def _inherited() -> list[int]:
    """List what our own caller left open, such as a lock: a daemon that inherits it would hold it for days."""
    found = []
    for name in os.listdir("/proc/self/fd"):  # noqa: PTH208 - these are numbers, not paths
        descriptor = int(name)
        # The descriptor that lists the directory is closed by now.
        with suppress(OSError):
            if descriptor > STDERR and os.get_inheritable(descriptor):
                found.append(descriptor)
    return found


def _boot_id() -> str:
    return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
