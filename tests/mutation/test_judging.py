"""Survivors are judged, every one, and nothing else is."""

from __future__ import annotations

import ast
from collections import Counter
from typing import TYPE_CHECKING

import pytest
from mutation.cli import SURVIVORS
from mutation.judging import Judgement, JudgementError, Verdict, faults, load
from mutation.mutants import Change, Findings, Function, Mutant

if TYPE_CHECKING:
    from pathlib import Path

(FUNCTION,) = ast.parse("def f(): pass").body
A, B, C = (Change("pkg.one.f", "x = 1", becomes) for becomes in ("x = 2", "x = None", "y = 1"))


def judged(*changes: Change) -> list[Judgement]:
    return [Judgement(change, Verdict.HARMLESS, "a reason") for change in changes]


def mutants(**outcomes: tuple[Change, ...]) -> list[Mutant]:
    assert isinstance(FUNCTION, Function)
    function = FUNCTION
    return [
        Mutant("pkg.one", "f", function, change, outcome.replace("_", " "))
        for outcome, changes in outcomes.items()
        for change in changes
    ]


def found(**outcomes: tuple[Change, ...]) -> Findings:
    return Findings(mutants(**outcomes))


def test_where_every_survivor_is_judged_nothing_is_wrong() -> None:
    findings = found(survived=(A, B), killed=(C,), timed_out=(C,))
    assert faults(findings, judged(B, A), whole=True) == []
    assert findings.by_module == {"pkg.one": Counter({"survived": 2, "killed": 1, "timed out": 1})}


def test_a_survivor_that_is_not_judged_is_told() -> None:
    assert faults(found(survived=(A, B)), judged(A), whole=True) == [
        "survived, and is not judged: pkg.one.f: x = 1  =>  x = None"
    ]


def test_a_change_that_survives_in_two_places_is_judged_twice() -> None:
    assert len(faults(found(survived=(A, A)), judged(A), whole=True)) == 1
    assert faults(found(survived=(A, A)), judged(A, A), whole=True) == []


def test_a_judgement_of_a_mutant_that_is_noticed_is_told() -> None:
    assert faults(found(killed=(A,), survived=(B,)), judged(A, B), whole=True) == [
        "judged, and is noticed by a test now: pkg.one.f: x = 1  =>  x = 2"
    ]


def test_a_judgement_of_a_mutant_that_is_not_made_any_more_is_told() -> None:
    assert faults(found(killed=(A,)), judged(C), whole=True) == [
        "judged, and is not made any more: pkg.one.f: x = 1  =>  y = 1"
    ]


def test_a_judgement_about_a_module_that_was_not_tried_is_left_alone_unless_all_were() -> None:
    other = judged(Change("pkg.other.f", "a", "b"))
    assert faults(found(killed=(A,)), other, whole=False) == []
    assert len(faults(found(killed=(A,)), other, whole=True)) == 1


@pytest.mark.parametrize("outcome", ["not_tried", "odd"])
def test_mutants_that_were_not_tried_to_the_end_are_told(outcome: str) -> None:
    assert faults(found(**{outcome: (A,)}), [], whole=True) == [
        "1 mutants were not tried to the end: run it again, it goes on where it was"
    ]


@pytest.mark.parametrize(
    "entry",
    [
        'function = "f"\nwas = "a"\nbecomes = "b"\nverdict = "harmless"',
        'function = "f"\nwas = "a"\nbecomes = "b"\nverdict = "harmless"\nreason = " "',
        'function = "f"\nwas = "a"\nbecomes = "b"\nverdict = "fine"\nreason = "r"',
        'function = "f"\nwas = "a"\nbecomes = "b"\nverdict = "harmless"\nreason = "r"\nline = "7"',
    ],
    ids=["no reason", "an empty reason", "no such verdict", "something else"],
)
def test_a_judgement_that_is_none_is_refused(entry: str, tmp_path: Path) -> None:
    path = tmp_path / "survivors.toml"
    path.write_text(f"[[survivor]]\n{entry}\n")
    with pytest.raises(JudgementError):
        load(path)


def test_the_judgements_of_this_tree_can_be_read() -> None:
    load(SURVIVORS)
