"""Quoting what other people wrote, in messages for people. Pure."""

from typing import Final

LONGEST_QUOTE: Final = 80
"""Characters; an annotation may have 256 KiB, and who reads the message wrote it."""


def quoted(text: str) -> str:
    """The text in quotation marks, not too long, and nothing in it that would move a terminal's cursor."""
    shown = text if len(text) <= LONGEST_QUOTE else text[: LONGEST_QUOTE - 1] + "…"
    if not shown.isprintable():
        shown = "".join(each if each.isprintable() else ascii(each)[1:-1] for each in shown)
    return f'"{shown}"'
