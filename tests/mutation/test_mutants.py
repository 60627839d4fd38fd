"""The copy of the tree in which mistakes are made, and what is read from it."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING

import pytest
from mutation.mutants import Change, Function, read
from mutation.typechecking import TypeChecker
from mutation.workspace import prepare, with_plain_properties

from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

MUTATED = """
class Door:
    def xǁDoorǁopen__mutmut_orig(self, n):
        if n > 1:
            return True
    def xǁDoorǁopen__mutmut_1(self, n):
        if n >= 1:
            return True
    def open(self, n):
        return 0

def x_knock__mutmut_orig():
    a()
    b()
def x_knock__mutmut_1():
    a()
"""


def test_a_property_becomes_something_that_mutmut_mutates_and_is_the_same() -> None:
    source = (
        "class A:\n    x = 1\n\n    @property\n    def y(self):\n        return self.x\n\n"
        "    @property\n    def z(self):\n        return 2\n\n    @staticmethod\n    def s():\n        return 3\n"
    )
    plain = with_plain_properties(source)
    assert "@property" not in plain
    assert "@staticmethod" in plain
    namespace: dict[str, type] = {}
    exec(plain, namespace)  # noqa: S102 (written here)
    subject = namespace["A"]()
    assert (subject.y, subject.z, subject.s()) == (1, 2, 3)


def test_mutants_are_told_by_what_was_changed_into_what(tmp_path: Path) -> None:
    file = tmp_path / "mutants/src/pkg/house.py"
    file.parent.mkdir(parents=True)
    file.write_text(MUTATED)
    results = {"pkg.house.xǁDoorǁopen__mutmut_1": 0, "pkg.house.x_knock__mutmut_1": 1}
    file.with_suffix(".py.meta").write_text(json.dumps({"exit_code_by_key": results}))
    assert [(each.change, each.outcome) for each in read(tmp_path)] == [
        (Change("pkg.house.Door.open", "if n > 1:", "if n >= 1:"), "survived"),
        (Change("pkg.house.knock", "b()", ""), "killed"),
    ]


@pytest.mark.parametrize(
    ("code", "outcome"), [(None, "not tried"), (33, "survived"), (3, "killed"), (36, "timed out"), (2, "odd")]
)
def test_what_became_of_a_mutant_is_told_by_how_its_tests_ended(code: int | None, outcome: str, tmp_path: Path) -> None:
    file = tmp_path / "mutants/house.py"
    file.parent.mkdir()
    file.write_text(MUTATED)
    file.with_suffix(".py.meta").write_text(json.dumps({"exit_code_by_key": {"house.x_knock__mutmut_1": code}}))
    assert [each.outcome for each in read(tmp_path)] == [outcome]


def test_what_is_kept_of_a_module_that_is_not_mutated_now_is_passed_over(tmp_path: Path) -> None:
    file = tmp_path / "mutants/house.py"
    file.parent.mkdir()
    file.write_text("def knock(): pass\n")
    file.with_suffix(".py.meta").write_text(json.dumps({"exit_code_by_key": {"house.x_knock__mutmut_1": 0}}))
    assert list(read(tmp_path)) == []


def test_when_a_test_has_changed_what_survived_is_tried_again_and_what_died_is_not(tmp_path: Path) -> None:
    prepare(REPOSITORY, tmp_path, ["core/*"])
    meta = tmp_path / "mutants/src/pkg/house.py.meta"
    meta.parent.mkdir(parents=True)
    text = json.dumps({"exit_code_by_key": {"a": 0, "b": 1, "c": 33}})
    meta.write_text(text)
    prepare(REPOSITORY, tmp_path, ["core/*"])
    assert meta.read_text() == text, "nothing has changed"
    (tmp_path / "tests.sha256").write_text("another")
    prepare(REPOSITORY, tmp_path, ["core/*"])
    assert json.loads(meta.read_text()) == {"exit_code_by_key": {"a": None, "b": 1, "c": None}}


def test_a_test_that_was_moved_away_is_not_run_any_more_where_mutmut_had_copied_it(tmp_path: Path) -> None:
    prepare(REPOSITORY, tmp_path, ["core/*"])
    moved = tmp_path / "mutants/tests/unit/test_moved.py"
    moved.parent.mkdir(parents=True)
    moved.write_text("import gone")
    prepare(REPOSITORY, tmp_path, ["core/*"])
    assert not moved.exists()


@pytest.mark.parametrize(("body", "refused"), [("return None", True), ("return self.name", False)])
def test_a_mutant_that_the_types_refuse_is_told_apart(body: str, *, refused: bool, tmp_path: Path) -> None:
    (function,) = ast.parse(f"def __str__(self):\n    {body}").body
    assert isinstance(function, Function)
    checker = TypeChecker(REPOSITORY, tmp_path)
    assert checker.refuses("kubemacpool.core.parties", "ObjectKey.__str__", function) is refused
