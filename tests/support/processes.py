"""What still runs: a program under test has to end what it has started."""

from __future__ import annotations

from pathlib import Path


def left_behind(directory: Path) -> list[str]:
    """The command lines of running programs that name a directory."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = path.read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:  # it has ended meanwhile
            continue
        if str(directory) in line:
            found.append(line)
    return found
