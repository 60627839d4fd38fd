"""A sample is drawn by its seed, and fails where many of its mutants survive unjudged."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mutation.sampling import draw, too_many, tried, unjudged
from mutation.workspace import PACKAGE
from tests.mutation.test_judging import A, B, C, found, judged, mutants

if TYPE_CHECKING:
    from pathlib import Path

SOURCE = """
def plain(): ...

class Holder:
    def method(self): ...
    async def later(self): ...
"""
NAMES = {
    "kubemacpool.core.one.x_plain__mutmut_*",
    "kubemacpool.core.one.xǁHolderǁmethod__mutmut_*",
    "kubemacpool.core.one.xǁHolderǁlater__mutmut_*",
}


def test_functions_are_drawn_by_the_seed_and_named_as_mutmut_names_them(tmp_path: Path) -> None:
    core = tmp_path / PACKAGE / "core"
    core.mkdir(parents=True)
    (core / "one.py").write_text(SOURCE, encoding="utf-8")
    (core.parent / "other.py").write_text(SOURCE, encoding="utf-8")
    assert set(draw(tmp_path, ["core/*"], 99, "today")) == NAMES
    two = [draw(tmp_path, ["core/*"], 2, "today") for _ in range(2)]
    assert two[0] == two[1]
    assert len(two[0]) == 2
    assert len({tuple(draw(tmp_path, ["core/*"], 2, str(day))) for day in range(20)}) > 1


def test_what_was_not_tried_is_no_part_of_a_sample() -> None:
    assert [mutant.change for mutant in tried(mutants(killed=(A,), not_tried=(B,), survived=(C,)))] == [A, C]


def test_a_tenth_may_survive_unjudged_and_no_more() -> None:
    few = found(survived=(A, B), killed=(C,) * 8)
    assert unjudged(few, judged(B)) == [A]
    assert not too_many([A], few)
    assert too_many([A, B], few)


def test_a_sample_of_nothing_fails() -> None:
    assert too_many([], found())
