"""Diagrams are drawn once, when they change, and not by whoever reads: their pictures stand in the tree.

A picture is called by what it shows: the first digits of its text's SHA-256. `make diagrams` draws those that are
missing, and needs npm and a Chromium; nobody else does, and the site fetches nothing.
"""

from __future__ import annotations

import hashlib
import re
from posixpath import relpath
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from pathlib import PurePosixPath

FOLDER: Final = "diagrams"
DIGITS: Final = 12

_BLOCK: Final = re.compile(r"\A```mermaid\n(.*?)^```\s*\Z", re.DOTALL | re.MULTILINE)
_BLOCKS: Final = re.compile(r"^```mermaid\n(.*?)^```$", re.DOTALL | re.MULTILINE)


def name_of(diagram: str) -> str:
    """What the picture of a diagram is called."""
    return hashlib.sha256(diagram.encode()).hexdigest()[:DIGITS] + ".svg"


def diagrams(text: str) -> list[str]:
    """The diagrams of a document."""
    return _BLOCKS.findall(text)


def drawn(block: str, base: PurePosixPath, places: dict[str, str]) -> str:
    """A fenced block, or the picture of it where it is a diagram.

    Args:
        block: with its fences.
        base: the folder of the page.
        places: of all pages and pictures.
    """
    match = _BLOCK.match(block)
    if match is None:
        return block
    picture = f"{FOLDER}/{name_of(match[1])}"
    return f"![Diagram]({relpath(picture, base)})" if picture in places.values() else block
