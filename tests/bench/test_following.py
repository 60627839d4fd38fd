"""What following costs beside reading the same bytes: a ratio within one run, whatever else the machine does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from bench.following import FIGURE, FLOOR, NETWORKS, PLAIN, cases
from bench.frame import compare
from bench.replay import events_of, lives

if TYPE_CHECKING:
    from pathlib import Path


def test_a_pod_that_concerns_nobody_costs_little_more_than_reading_its_events(tmp_path: Path) -> None:
    """Through a general client's stream it was 3.7 times as much on a quiet machine, where it is 1.9 now."""
    with cases(tmp_path, pods=150, per_second=2000) as found:
        measured = compare("", found, rounds=5, progress=lambda _: None)
    quietest = {case.name: case.spread(FIGURE).lowest for case in measured.cases}
    assert quietest[PLAIN] < 3 * quietest[FLOOR], quietest
    assert quietest[NETWORKS] < 6 * quietest[FLOOR], quietest


def test_the_lives_that_are_replayed_are_those_of_different_pods_in_order() -> None:
    lines = list(lives(30))
    assert len(lines) == events_of(30) + 1
    assert len({line for line in lines if line.startswith(b'{"type":"DELETED"')}) == 30
    assert lines[0].startswith(b'{"type":"ADDED"')
    assert lines[-1].startswith(b'{"type":"BOOKMARK"')
