"""docs/benchmarks.md, made from docs/benchmarks.json: `make bench-docs`.

The prose stands in benchmarks.md.in, beside this file. In it, `{{NAME}}` stands for a table of `bench.tables.sheets`,
`{{NAME: run}}` for when and where that scenario was measured, and `{{NAME: WHAT, CLIENTS}}` for a ratio of rates, with
its spread. So no figure is written by hand.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import msgspec
from bench.errors import BenchError
from bench.results import RATE, Results, read_results
from bench.tables import measured, sheets

REPOSITORY = Path(__file__).resolve().parents[1]
TEMPLATE = Path(__file__).with_name("benchmarks.md.in")
FIGURES = REPOSITORY / "docs" / "benchmarks.json"
PAGE = REPOSITORY / "docs" / "benchmarks.md"
UNMEASURED = "(not measured)"
_PLACE = re.compile(r"\{\{([^{}]+)\}\}")


def page(template: str, results: Results) -> str:
    """Fill the template in.

    Raises:
        BenchError: it names something that there is not.
    """
    laid_out = {name: sheet.in_markdown() for name, sheet in sheets(results).items()}

    def filled(match: re.Match[str]) -> str:
        name, _, what = match[1].partition(": ")
        scenario = name.split(" ")[0]
        if scenario not in {field.name for field in msgspec.structs.fields(Results)} - {"runs"}:
            message = f"{TEMPLATE.name}: {match[0]} names no scenario."
            raise BenchError(message)
        if scenario not in results.runs:
            return UNMEASURED
        if what == "run":
            return measured(results.runs[scenario])
        if what:
            return _ratio(results, scenario, what)
        if name not in laid_out:
            message = f"{TEMPLATE.name}: {match[0]} names no table; there are {', '.join(laid_out)}."
            raise BenchError(message)
        return laid_out[name]

    return _PLACE.sub(filled, template)


def _ratio(results: Results, scenario: str, what: str) -> str:
    measured_there = results.webhook if scenario == "webhook" else results.cluster
    name, _, clients = what.rpartition(", ")
    for each in [] if measured_there is None else measured_there.ratios:
        if (each.name, each.what, str(each.clients)) == (name, RATE, clients):
            return each.spread.text()
    return UNMEASURED


def record(results: Results) -> None:
    """Put what was measured in the place of what was measured earlier, and make the page anew."""
    (results.over(read_results(FIGURES)) if FIGURES.exists() else results).write(FIGURES)
    write()


def write() -> None:
    """Make the page from the figures that are there."""
    PAGE.write_text(page(TEMPLATE.read_text(encoding="utf-8"), read_results(FIGURES)), encoding="utf-8")


def main() -> None:
    """Make the page."""
    try:
        write()
    except (BenchError, OSError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
