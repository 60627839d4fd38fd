"""What became of the mutants, read from what mutmut keeps."""

from __future__ import annotations

import ast
import difflib
import json
import re
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from pathlib import Path

Function = ast.FunctionDef | ast.AsyncFunctionDef

KILLED: Final = frozenset({1, 3})
"""pytest says that a test failed, or that it broke."""
TIMED_OUT: Final = frozenset({36, 24, -24, 152, 255, -9})
"""The tests did not come to an end, which they do when the mutant is a loop for ever: as good as dead."""
SURVIVED: Final = "survived"
LIVING: Final = frozenset({0, 33})
"""All tests passed, or none was there that runs the function."""


class Change(NamedTuple):
    """A mistake: what a function says, and what it says instead, each a line or a few."""

    function: str
    """With its module, as `kubemacpool.core.ledger.Ledger.allocation`."""
    was: str
    becomes: str

    def __str__(self) -> str:
        return f"{self.function}: {self.was or 'nothing'}  =>  {self.becomes or 'nothing'}"


class Mutant(NamedTuple):
    """One mutant, and what became of it."""

    module: str
    name: str
    """Of the function, as `Ledger.allocation`."""
    function: Function
    change: Change
    outcome: str


class Findings:
    """What became of all mutants of a run."""

    def __init__(self, mutants: Iterable[Mutant]) -> None:
        self.by_module: dict[str, Counter[str]] = {}
        self.outcomes: Counter[str] = Counter()
        self.all: Counter[Change] = Counter()
        self.survivors: Counter[Change] = Counter()
        """A function may say the same twice, so that the same change survives twice."""
        for mutant in mutants:
            self.by_module.setdefault(mutant.module, Counter())[mutant.outcome] += 1
            self.outcomes[mutant.outcome] += 1
            self.all[mutant.change] += 1
            if mutant.outcome == SURVIVED:
                self.survivors[mutant.change] += 1


def read(workspace: Path) -> Iterator[Mutant]:
    """Read what mutmut has kept of its runs in the workspace."""
    for path in sorted((workspace / "mutants").rglob("*.py.meta")):
        results: dict[str, int | None] = json.loads(path.read_text(encoding="utf-8"))["exit_code_by_key"]
        functions = dict(_functions(path.with_suffix(""))) if results else {}
        for key, code in results.items():
            module, _, mangled = key.rpartition(".")
            name = mangled.partition("__mutmut_")[0]
            if mangled not in functions:  # kept from a run that mutated this module too
                continue
            plain = name.removeprefix("x_") if "ǁ" not in name else name.removeprefix("xǁ").replace("ǁ", ".")
            change = Change(f"{module}.{plain}", *_difference(functions[f"{name}__mutmut_orig"], functions[mangled]))
            yield Mutant(module, plain, functions[mangled], change, _outcome(code))


def _outcome(code: int | None) -> str:
    if code is None:
        return "not tried"
    if code in LIVING:
        return SURVIVED
    if code in TIMED_OUT:
        return "timed out"
    return "killed" if code in KILLED else "odd"


def _functions(path: Path) -> Iterator[tuple[str, Function]]:
    """By its mangled name, every function in a file of mutants: what it was, and what it becomes."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, Function) and "__mutmut_" in node.name:
            yield node.name, node


def _difference(before: Function, after: Function) -> tuple[str, str]:
    diff = [line for line in difflib.ndiff(_lines(before), _lines(after)) if re.match(r"[-+] ", line)]
    was = [line[2:] for line in diff if line.startswith("-")]
    becomes = [line[2:] for line in diff if line.startswith("+")]
    return "\n".join(was), "\n".join(becomes)


def _lines(function: Function) -> list[str]:
    """The lines of a function, but for its name, by which mutants differ in any case."""
    body = [line.strip() for each in function.body for line in ast.unparse(each).splitlines()]
    return [ast.unparse(function.args), *body]
