"""What a review costs in our own code, against what any program in Python pays for it.

In a process of its own: what earlier tests have left behind, or the level of logs that nobody configured, would count.
"""

import subprocess
import sys
from pathlib import Path

import msgspec
from bench.frame import Measured, spread

MOST = 15.0
"""Times the floor: 10.5 to 13.6 were seen, and 17.3 before the path was made short."""


class _Comparison(msgspec.Struct):
    cases: list[Measured]


class _Document(msgspec.Struct):
    comparison: _Comparison


def test_a_review_costs_little_more_than_reading_it_and_answering(tmp_path: Path) -> None:
    figures = tmp_path / "figures.json"
    subprocess.run(
        [sys.executable, "-m", "bench.own_code", "--rounds", "3", "--unpinned", "--json", str(figures)],
        check=True,
        capture_output=True,
        timeout=120,
    )
    plain, ours = msgspec.json.decode(figures.read_bytes(), type=_Document).comparison.cases
    rounds = zip(ours.rounds, plain.rounds, strict=True)
    ratio = spread(figure / floor[name] for own, floor in rounds for name, figure in own.items())
    assert ratio.median < MOST, ratio
