"""What changes in a file, as a unified diff.

Made from the edits themselves: a comparison of texts takes a line that stands in many places for another, and shows
what nobody has changed.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from kubemacpool.cli.manifest.edits import Edit, apply

CONTEXT: Final = 3
"""Lines around a change, as `diff -u` shows them."""

_LINES: Final = re.compile(r"[^\n]*\n|[^\n]+")
_NO_END: Final = "\\ No newline at end of file\n"


class _Change(NamedTuple):
    """Lines that become others: from `begin` to before `end` in the old text, counted from 0."""

    begin: int
    end: int
    lines: list[str]


def unified(name: str, text: str, edits: Iterable[Edit]) -> Iterator[str]:
    """The lines of the diff, with their ends.

    Args:
        name: of the file.
        text: the old one.
        edits: what is changed.
    """
    lines = _lines_of(text)
    changes = list(_changes(text, lines, sorted(edits)))
    if changes:
        yield f"--- {name}\n"
        yield f"+++ {name}\n"
    shift = 0
    for hunk in _hunks(changes):
        begin, end = max(0, hunk[0].begin - CONTEXT), min(len(lines), hunk[-1].end + CONTEXT)
        more = sum(len(each.lines) - (each.end - each.begin) for each in hunk)
        yield f"@@ -{_span(begin, end)} +{_span(begin + shift, end + shift + more)} @@\n"
        shift += more
        at = begin
        for each in hunk:
            yield from _shown(" ", lines[at : each.begin])
            yield from _shown("-", lines[each.begin : each.end])
            yield from _shown("+", each.lines)
            at = each.end
        yield from _shown(" ", lines[at:end])


def _changes(text: str, lines: list[str], edits: list[Edit]) -> Iterator[_Change]:
    """Edits of the same lines together, without the lines that stay."""
    starts = [0]
    for each in lines:
        starts.append(starts[-1] + len(each))
    first = 0
    while edits:
        while first + 1 < len(lines) and starts[first + 1] <= edits[0].begin:
            first += 1
        last, count = first, 0
        for edit in edits:
            if count and edit.begin >= starts[last + 1]:
                break
            while last + 1 < len(lines) and starts[last + 1] < edit.end:
                last += 1
            count += 1
        here, edits = edits[:count], edits[count:]
        base = starts[first]
        moved = [Edit(each.begin - base, each.end - base, each.text) for each in here]
        new = _lines_of(apply(text[base : starts[last + 1]], moved))
        yield _without_same(_Change(first, last + 1, new), lines)


def _without_same(change: _Change, lines: list[str]) -> _Change:
    """The change without the lines at its beginning and its end that stay."""
    begin, end, new = change
    while begin < end and new and lines[begin] == new[0]:
        begin, new = begin + 1, new[1:]
    while begin < end and new and lines[end - 1] == new[-1]:
        end, new = end - 1, new[:-1]
    return _Change(begin, end, new)


def _lines_of(text: str) -> list[str]:
    """Lines with their ends, as tools that apply diffs see them."""
    return _LINES.findall(text)


def _hunks(changes: list[_Change]) -> Iterator[list[_Change]]:
    """Changes whose surroundings touch are shown together."""
    hunk: list[_Change] = []
    for each in changes:
        if hunk and each.begin - hunk[-1].end > 2 * CONTEXT:
            yield hunk
            hunk = []
        hunk.append(each)
    if hunk:
        yield hunk


def _span(begin: int, end: int) -> str:
    if end - begin == 1:
        return str(begin + 1)
    return f"{begin + 1 if end > begin else begin},{end - begin}"


def _shown(mark: str, lines: Iterable[str]) -> Iterator[str]:
    for line in lines:
        if line.endswith("\n"):
            yield mark + line
        else:
            yield f"{mark}{line}\n"
            yield _NO_END
