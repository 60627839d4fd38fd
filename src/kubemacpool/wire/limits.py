"""The limit of addresses of a namespace, as administrators write it."""

from typing import Final

LONGEST: Final = 15
"""Digits: there are fewer addresses than a number of so many. What is longer is not read as a number to find out."""

EXPECTED: Final = "a whole number of at least 1"


def parse_limit(text: str) -> int | None:
    """The number; None where the text is none."""
    if not (text.isascii() and text.isdecimal()) or len(text) > LONGEST:
        return None
    return int(text) or None
