"""Mutants that the types refuse already: mypy runs before any test, so no test has to notice them."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

FIRST_LINE: Final = re.compile(r"^[^:]+:\d+: error: ", re.MULTILINE)


class TypeChecker:
    """mypy over modules of the package, each with one function replaced.

    Args:
        repository: where the package and mypy's settings are.
        work: where it may write.
    """

    def __init__(self, repository: Path, work: Path) -> None:
        self._repository = repository
        self._work = work
        self._errors: dict[str, Counter[str]] = {}

    def refuses(self, module: str, name: str, mutant: ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
        """Tell whether a mutant has type errors that the original has not.

        Args:
            module: as `kubemacpool.core.ledger`.
            name: of the function there, as `Ledger.allocation`.
            mutant: what it is replaced by.
        """
        source = Path("src", *module.split(".")).with_suffix(".py")
        tree = ast.parse((self._repository / source).read_text(encoding="utf-8"))
        if module not in self._errors:
            self._errors[module] = self._check(source, tree)
        original = _find(tree, name.split("."))
        original.body = mutant.body
        return bool(self._check(source, tree) - self._errors[module])

    def _check(self, source: Path, tree: ast.Module) -> Counter[str]:
        shadow = self._work / "shadow.py"
        shadow.write_text(ast.unparse(tree), encoding="utf-8")  # comments are lost, and what they allowed with them
        answer = subprocess.run(
            [
                *(sys.executable, "-m", "mypy", "--no-error-summary", "--hide-error-context", "--no-pretty"),
                *("--shadow-file", str(source), str(shadow), "--cache-dir", str(self._work / "mypy"), str(source)),
            ],
            cwd=self._repository,
            capture_output=True,
            text=True,
            check=False,
        )
        return Counter(FIRST_LINE.sub("", line) for line in answer.stdout.splitlines() if ": error: " in line)


def _find(tree: ast.AST, path: list[str]) -> ast.FunctionDef | ast.AsyncFunctionDef:
    """Find a function by its name, and those of the classes around it."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.ClassDef) and node.name == path[0]:
            return _find(node, path[1:])
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and [node.name] == path:
            return node
    raise LookupError(f"no function {'.'.join(path)}")
