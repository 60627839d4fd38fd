"""A few functions, drawn by a seed: what `make nightly` tries of all the mistakes that could be made."""

from __future__ import annotations

import ast
import random
from collections import Counter
from typing import TYPE_CHECKING, Final

from mutation.workspace import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence
    from pathlib import Path

    from mutation.judging import Judgement
    from mutation.mutants import Change, Findings, Mutant

SECONDS: Final = 420.0
"""Of trying; what is not tried by then is left for another day."""
UNJUDGED: Final = 0.1
"""What share of a sample's mutants may survive without a judgement: `make mutation` tolerates none."""


def draw(workspace: Path, patterns: Sequence[str], number: int, seed: str) -> list[str]:
    """So many functions of these modules, as patterns of the names of their mutants."""
    found = sorted(
        f"{'.'.join(path.relative_to(workspace / 'src').with_suffix('').parts)}.{mangled}__mutmut_*"
        for pattern in patterns
        for path in (workspace / PACKAGE).glob(pattern)
        for mangled in _mangled(ast.parse(path.read_text(encoding="utf-8")))
    )
    return random.Random(seed).sample(found, min(number, len(found)))  # noqa: S311 (to be repeated, not secret)


def _mangled(module: ast.Module) -> Iterator[str]:
    """The functions and methods, as mutmut calls them."""
    for node in module.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"x_{node.name}"
        elif isinstance(node, ast.ClassDef):
            for each in node.body:
                if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef):
                    yield f"xǁ{node.name}ǁ{each.name}"


def tried(mutants: Iterable[Mutant]) -> Iterator[Mutant]:
    """Those of which something became."""
    return (mutant for mutant in mutants if mutant.outcome != "not tried")


def unjudged(findings: Findings, judgements: Sequence[Judgement]) -> list[Change]:
    """The changes that no test has noticed and nobody has judged."""
    return list((findings.survivors - Counter(each.change for each in judgements)).elements())


def too_many(unjudged: Sequence[Change], findings: Findings) -> bool:
    """Whether a sample fails; so does one of which nothing was tried."""
    return not findings.outcomes.total() or len(unjudged) > UNJUDGED * findings.outcomes.total()
