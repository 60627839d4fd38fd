"""How pages that are made from the code are written down."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

FOLDER: Final = Path(__file__).parents[1] / "docs" / "reference"


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Rows under heads."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |\n" for line in lines)


def code(text: str) -> str:
    """As it is typed."""
    return f"`{text}`" if text else ""
