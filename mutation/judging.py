"""Survivors and their judgements: each has one, and none is about a mutant that is dead or gone."""

from __future__ import annotations

import tomllib
from collections import Counter
from enum import StrEnum
from typing import TYPE_CHECKING, NamedTuple

from mutation.mutants import Change

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from mutation.mutants import Findings


class Verdict(StrEnum):
    """Why no test has to notice."""

    EQUIVALENT = "equivalent"
    """Nobody could tell the difference."""
    HARMLESS = "harmless"
    """The difference is there, and no promise rests on it."""


class Judgement(NamedTuple):
    """What was found about one change that survived."""

    change: Change
    verdict: Verdict
    reason: str


class JudgementError(Exception):
    """A judgement that cannot be read."""


def load(path: Path) -> list[Judgement]:
    """Read the judgements.

    Raises:
        JudgementError: one of them is incomplete.
    """
    found = []
    for entry in tomllib.loads(path.read_text(encoding="utf-8")).get("survivor", []):
        unknown = entry.keys() ^ {"function", "was", "becomes", "verdict", "reason"}
        if unknown or not all(isinstance(value, str) for value in entry.values()):
            raise JudgementError(f"{path}: {entry.get('function')}: missing or unknown: {sorted(unknown)}")
        if entry["verdict"] not in set(Verdict) or not entry["reason"].strip():
            raise JudgementError(f"{path}: {entry['function']}: give {', '.join(Verdict)} and a reason")
        change = Change(entry["function"], entry["was"], entry["becomes"])
        found.append(Judgement(change, Verdict(entry["verdict"]), entry["reason"]))
    return found


def faults(findings: Findings, judgements: list[Judgement], *, whole: bool) -> list[str]:
    """Tell what is wrong, a sentence each: survivors that are not judged, judgements that are about no survivor.

    Args:
        findings: what became of the mutants.
        judgements: what was found about those that survive.
        whole: whether every module was tried; if not, judgements about others are left alone.
    """
    judged = Counter(each.change for each in judgements if whole or _is_about(each.change, findings.by_module))
    found = [f"survived, and is not judged: {change}" for change in (findings.survivors - judged).elements()]
    for change in (judged - findings.survivors).elements():
        how = "is noticed by a test now" if change in findings.all else "is not made any more"
        found.append(f"judged, and {how}: {change}")
    undecided = findings.outcomes["not tried"] + findings.outcomes["odd"]
    if undecided:
        found.append(f"{undecided} mutants were not tried to the end: run it again, it goes on where it was")
    return found


def _is_about(change: Change, modules: Iterable[str]) -> bool:
    return any(change.function.startswith(f"{module}.") for module in modules)
