"""Telling people what other people wrote: quotations and lists, neither ever long. Pure."""

from collections.abc import Sequence
from typing import Final

LONGEST_QUOTE: Final = 80
"""Characters; an annotation may have 256 KiB, and who reads the message wrote it."""

MOST_TOLD: Final = 10
"""Items of one message. Who has mended ten of two hundred alike knows how; a line of a log, and the ten warnings of 256
characters that the API server passes on (4,096 in all), hold as many."""


def quoted(text: str) -> str:
    """The text in quotation marks, not too long, and nothing in it that would move a terminal's cursor."""
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)
    return f'"{shown}"'


def quoted_json(raw: bytes) -> str:
    """JSON as somebody wrote it, in quotation marks; of what is long only the beginning is looked at."""
    return quoted(raw[: 4 * LONGEST_QUOTE].decode(errors="replace"))


def first_of(items: Sequence[str]) -> list[str]:
    """The first ten of some items, and how many more there are."""
    more = len(items) - MOST_TOLD
    return list(items) if more <= 0 else [*items[:MOST_TOLD], f"and {more} more"]


def listed(faults: Sequence[str]) -> str:
    """Faults as one text: the first ten, and how many more there are."""
    return "; ".join(first_of(faults))
