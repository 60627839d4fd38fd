"""What a document says in code, and where it points: as much of Markdown as ours use."""

import re
from collections.abc import Iterator
from typing import Final

_FENCE: Final = re.compile(r"^[ ]*(```+|~~~+)[^\n]*\n(.*?)^[ ]*\1[ ]*$", re.DOTALL | re.MULTILINE)
_INDENTED: Final = re.compile(r"(?<=\n\n)(?:    [^\n]*\n)+")
_SPAN: Final = re.compile(r"(?<!`)`([^`]+)`(?!`)")
_LINK: Final = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING: Final = re.compile(r"^#{1,6} +(.+?) *#*$", re.MULTILINE)


def blocks(text: str) -> list[str]:
    """The code blocks, fenced or indented."""
    fenced = [match[2] for match in _FENCE.finditer(text)]
    return fenced + _INDENTED.findall(_FENCE.sub("", text))


def spans(text: str) -> list[str]:
    """The code in the middle of sentences; where it goes on in the next line, with a space between."""
    return [" ".join(span.split()) for span in _SPAN.findall(_prose(text))]


def links(text: str) -> list[str]:
    """What links point to."""
    return _LINK.findall(_SPAN.sub("", _prose(text)))


def anchors(text: str) -> set[str]:
    """The fragments by which GitHub reaches the headings."""
    found: set[str] = set()
    for heading in _HEADING.findall(_FENCE.sub("", text)):
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading).lower()
        anchor = re.sub(r"[^\w\- ]", "", plain).replace(" ", "-")
        found.add(anchor if anchor not in found else f"{anchor}-1")
    return found


def rows(text: str) -> Iterator[list[str]]:
    """The cells of every row of every table, headings and all."""
    for line in _FENCE.sub("", text).splitlines():
        if line.startswith("|"):
            yield [cell.strip() for cell in line.strip("|").split("|")]


def _prose(text: str) -> str:
    return _INDENTED.sub("", _FENCE.sub("", text))
