"""The frame of small measurements: cases in turns, pinned to a core, with the spread of each figure, a table and JSON.

A measurement of its own is a file in this directory, and is run from the repository's root:

    '''What decoding a review costs: `.venv/bin/python -m bench.decoding --help`.'''

    from bench.frame import per_call, script

    def cases() -> Mapping[str, Case]:
        body = REVIEW.read_bytes()
        return {
            "json": lambda: per_call(lambda: json.loads(body)),
            "msgspec": lambda: per_call(lambda: decode_review(body)),
        }

    if __name__ == "__main__":
        script("Decoding a review", cases())

A case measures one slice and returns its figures by name, units in the name. It may as well start a process and measure
that (`bench.children`). The first case is the one that the others are compared with, round by round, so that a machine
that gets slower meanwhile changes no ratio. Figures of two runs do not compare.
"""

from __future__ import annotations

import argparse
import os
import sys
import time
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING, TypeVar

import msgspec
from bench.children import cores
from bench.machine import Machine, describe
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from typing import TypeAlias

    Figures: TypeAlias = Mapping[str, float]
    Case: TypeAlias = Callable[[], Figures]

T = TypeVar("T")

SLICE_SECONDS = 0.3
ROUNDS = 7
TABLE_WIDTH = 110
MICROSECONDS = "CPU µs a call"


class Spread(msgspec.Struct, frozen=True):
    """The middle of some values, and how far they lie apart."""

    median: float
    lowest: float
    highest: float

    def text(self, digits: int = 2) -> str:
        """The median, and behind it lowest and highest where they differ."""
        middle, lowest, highest = (f"{each:,.{digits}f}" for each in (self.median, self.lowest, self.highest))
        return middle if lowest == highest else f"{middle} ({lowest} to {highest})"


class Measured(msgspec.Struct, frozen=True):
    """One case: its figures in every round."""

    name: str
    rounds: list[dict[str, float]]

    def spread(self, figure: str) -> Spread:
        """The spread of a figure over the rounds."""
        return spread(each[figure] for each in self.rounds)


class Comparison(msgspec.Struct, frozen=True):
    """Cases that were measured in turns."""

    title: str
    cases: list[Measured]

    def ratio(self, case: Measured, figure: str) -> Spread:
        """Compare a case with the first one, round by round."""
        first = self.cases[0]
        pairs = zip(case.rounds, first.rounds, strict=True)
        return spread(mine[figure] / theirs[figure] if theirs[figure] else float("nan") for mine, theirs in pairs)


class _Document(msgspec.Struct, frozen=True):
    command: list[str]
    machine: Machine
    comparison: Comparison


def spread(values: Iterable[float]) -> Spread:
    """Sum up values, of which there is at least one."""
    found = list(values)
    return Spread(median(found), min(found), max(found))


def turns(items: Sequence[T], number: int) -> list[T]:
    """The order of a round: every other one backwards, and each pair of rounds begins with another item.

    Args:
        items: what is measured.
        number: of the round, from 0.
    """
    first = number // 2 % max(len(items), 1)
    order = [*items[first:], *items[:first]]
    return order if number % 2 == 0 else order[::-1]


def compare(title: str, cases: Mapping[str, Case], rounds: int, progress: Callable[[str], None]) -> Comparison:
    """Measure every case in every round, in turns."""
    measured = {name: Measured(name, []) for name in cases}
    for number in range(rounds):
        for name in turns(list(cases), number):
            progress(f"round {number + 1} of {rounds}: {name}")
            measured[name].rounds.append(dict(cases[name]()))
    return Comparison(title, list(measured.values()))


def per_call(work: Callable[[], object], seconds: float = SLICE_SECONDS) -> Figures:
    """Call something for about so long, and return the CPU time of a call."""
    calls, used = 0, 0.0
    batch = 1
    while used < seconds:
        began = time.process_time()
        for _ in range(batch):
            work()
        took = time.process_time() - began
        calls, used = calls + batch, used + took
        # A batch is long beside the two looks at the clock, and short beside the slice.
        batch = batch * 2 if took < seconds / 20 else batch
    return {MICROSECONDS: used / calls * 1e6}


def table(comparison: Comparison) -> Table:
    """Lay a comparison out, with ratios to its first case."""
    laid_out = Table(title=comparison.title, title_justify="left", pad_edge=False)
    laid_out.add_column("case", no_wrap=True)
    figures = list(dict.fromkeys(name for case in comparison.cases for name in case.rounds[0]))
    for heading in figures:
        laid_out.add_column(heading, justify="right")
        laid_out.add_column(f"/ {comparison.cases[0].name}", justify="right")
    for case in comparison.cases:
        cells: list[str] = []
        for figure in figures:
            has_it = figure in case.rounds[0]
            compared = has_it and figure in comparison.cases[0].rounds[0] and case is not comparison.cases[0]
            cells += [case.spread(figure).text() if has_it else ""]
            cells += [comparison.ratio(case, figure).text() if compared else ""]
        laid_out.add_row(case.name, *cells)
    return laid_out


def script(title: str, cases: Mapping[str, Case]) -> None:
    """Run a measurement from the command line: `--rounds`, `--only`, `--json`, `--unpinned`."""
    parser = argparse.ArgumentParser(description=title)
    parser.add_argument("--rounds", type=int, default=ROUNDS, help="how often everything is measured, in turns")
    parser.add_argument("--only", choices=list(cases), action="append", help="measure only these cases")
    parser.add_argument("--json", type=Path, help="where the figures are written as well")
    parser.add_argument("--unpinned", action="store_true", help="do not keep this process on one core")
    told = parser.parse_args()
    if told.rounds < 1:
        parser.error("--rounds: at least one")
    if not told.unpinned:
        os.sched_setaffinity(0, {cores()[0]})
    console = Console(width=max(Console().width, TABLE_WIDTH))
    chosen = {name: case for name, case in cases.items() if told.only is None or name in told.only}
    try:
        found = compare(title, chosen, told.rounds, lambda line: console.print(f"[dim]{line}[/dim]", highlight=False))
    except KeyboardInterrupt:
        sys.exit(130)
    console.print(table(found), highlight=False)
    if told.json is not None:
        document = msgspec.json.encode(_Document(sys.argv, describe(), found))
        told.json.write_bytes(msgspec.json.format(document) + b"\n")
