"""A program at a real terminal: a pseudo terminal of the kernel's, and what was written to it."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import struct
import termios
import time
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

PATIENCE = 60.0


class Terminal:
    """Runs one program; the block ends when that has ended."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], columns: int = 80) -> None:
        self._command = list(command)
        self._environment = {"TERM": "xterm-256color", **environment}
        self._columns = columns
        self._end = time.monotonic() + PATIENCE
        self.shown = ""
        self.status: int | None = None

    def __enter__(self) -> Self:
        self._pid, self._fd = pty.fork()
        if self._pid == 0:
            os.execvpe(self._command[0], self._command, self._environment)  # noqa: S606 (no shell is wanted)
        fcntl.ioctl(self._fd, termios.TIOCSWINSZ, struct.pack("HHHH", 24, self._columns, 0, 0))
        return self

    def __exit__(self, *_: object) -> None:
        self.until_ended()
        os.close(self._fd)

    def send(self, text: str) -> None:
        """Type something."""
        os.write(self._fd, text.encode())

    def until(self, text: str) -> None:
        """Wait until something is shown."""
        while text not in self.shown:
            assert self._read(), f"{text!r} was never shown: {self.shown!r}"

    def until_ended(self) -> int:
        """Wait for the end; gives the exit status."""
        while self.status is None and self._read():
            pass
        if self.status is None:
            self.status = os.waitstatus_to_exitcode(os.waitpid(self._pid, 0)[1])
        return self.status

    def _read(self) -> bool:
        left = self._end - time.monotonic()
        assert left > 0, f"it takes too long: {self.shown!r}"
        if select.select([self._fd], [], [], left)[0]:
            try:
                read = os.read(self._fd, 65536)
            except OSError:  # the other side has closed
                return False
            self.shown += read.decode(errors="replace")
            return bool(read)
        return True
