"""Whether a command printed what the document says, where it can say it.

`…` stands for anything in a line, and in a line of its own for any lines. An address from the pool stands for any
address: the same for the same throughout a document, and another for another. Spaces are counted as one.
"""

from __future__ import annotations

import re
from typing import Final

POOL: Final = re.compile(r"02:00:00:00:00:[0-9a-f]{2}")
"""What an address looks like of which the document cannot know which one it will be."""

_ANY: Final = "…"
_ADDRESS: Final = "[0-9a-f]{2}(?::[0-9a-f]{2}){5}"


class Outputs:
    """What was printed so far, of one document."""

    def __init__(self) -> None:
        self._meant: dict[str, str] = {}

    def differ(self, told: str, printed: str) -> str:
        """What was printed otherwise than told; empty where nothing was."""
        names: list[str] = []
        pattern = "".join(self._line(line, names) for line in _even(told))
        match = re.fullmatch(pattern, "".join(f"{line}\n" for line in _even(printed)))
        if match is None:
            return f"told:\n{told}\nprinted:\n{printed}"
        for name, address in zip(names, match.groups(), strict=True):
            if self._meant.setdefault(name, address) != address:
                return f"{name} stood for {self._meant[name]} before, and for {address} now"
        if len(set(self._meant.values())) < len(self._meant):
            return f"addresses that differ in the document are the same: {self._meant}"
        return ""

    @staticmethod
    def _line(line: str, names: list[str]) -> str:
        if line == _ANY:
            return "(?:.*\n)*"
        parts = re.split(f"({_ANY}|{POOL.pattern})", line)
        return "".join(_pattern(part, names) for part in parts) + "\n"


def _pattern(part: str, names: list[str]) -> str:
    if part == _ANY:
        return ".*"
    if not POOL.fullmatch(part):
        return re.escape(part)
    if part in names:
        return f"(?:\\{names.index(part) + 1})"
    names.append(part)
    return f"({_ADDRESS})"


def _even(text: str) -> list[str]:
    """Its lines, with spaces as one."""
    return [" ".join(line.split()) for line in text.strip().splitlines()]
