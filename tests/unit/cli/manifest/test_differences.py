"""The diff of what is filled in: whoever applies it has what would have been written."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from hypothesis import HealthCheck, given, settings
from tests.unit.cli.manifest.filled import result_of
from tests.unit.cli.manifest.written import manifests

from kubemacpool.cli.manifest.differences import unified
from kubemacpool.cli.manifest.documents import parse
from kubemacpool.cli.manifest.edits import Edit

if TYPE_CHECKING:
    from pathlib import Path


def _patched(folder: Path, text: str, difference: str) -> str:
    """What git makes of a text."""
    path = folder / "a.yaml"
    path.write_bytes(text.encode())
    command = ["git", "apply", "-p0", "--whitespace=nowarn", "-"]
    subprocess.run(command, cwd=folder, input=difference.encode(), check=True, capture_output=True)
    return path.read_bytes().decode()


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(manifests())
def test_whoever_applies_the_diff_has_what_would_be_written(tmp_path: Path, text: str) -> None:
    file = parse("a.yaml", text.encode())
    result = result_of(file)
    assert result.faults == []
    if file not in result.texts:
        return
    difference = "".join(unified("a.yaml", file.text, result.edits[file]))
    assert _patched(tmp_path, file.text, difference) == result.texts[file]
    added = [line for line in difference.splitlines() if line.startswith("+") and "mac" in line]
    assert len(added) <= len(result.filled)


def test_lines_that_stand_in_many_places_do_not_confuse_it() -> None:
    text = "- name: a\n  bridge: {}\n" * 500
    step = len("- name: a\n  bridge: {}\n")
    edits = [Edit(at + 9, at + 9, "\n  mac: x") for at in range(0, len(text), step)]
    shown = list(unified("a.yaml", text, edits))
    assert [line for line in shown if line.startswith("-")] == ["--- a.yaml\n"]
    assert shown.count("+  mac: x\n") == 500
