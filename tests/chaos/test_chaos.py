"""`make chaos` for a minute; the seed that it prints replays the faults."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import msgspec
import pytest
from chaos.results import Results
from tests.support.processes import left_behind

from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

ENVIRONMENT = dict(os.environ) | {"PYTHONPATH": str(REPOSITORY / "cluster"), "COLUMNS": "160"}
INTERRUPTED = 130


def command(work: Path, *options: str) -> list[str]:
    """The command line, with everything that it keeps in one directory."""
    return [sys.executable, "-m", "chaos", f"--work={work}", f"--json={work / 'chaos.json'}", *options]


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Path]:
    """A directory of the run's own; no program that uses it is left when the test ends."""
    yield tmp_path
    assert left_behind(tmp_path) == []


@pytest.mark.nightly
def test_a_minute_of_faults_misses_no_target(work: Path) -> None:
    answer = subprocess.run(
        command(work, "--seconds=60"),
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        capture_output=True,
        text=True,
        check=False,
        timeout=400,
    )
    assert answer.returncode == 0, answer.stdout + answer.stderr
    results = msgspec.json.decode((work / "chaos.json").read_bytes(), type=Results)
    assert f"seed {results.seed}: repeat with --seed {results.seed}" in answer.stdout
    assert results.replicas == 3
    assert results.creates["created"] > 0
    assert results.creates["refused"] > 0
    assert len(results.episodes) > 2  # faults, between the time before and the time after


def test_an_interrupted_run_ends_what_it_started(work: Path) -> None:
    with subprocess.Popen(
        command(work, "--seconds=60", "--seed=1", "--only=compact"),
        cwd=REPOSITORY,
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        for line in process.stdout:
            if "etcd compacted" in line:
                break
        assert len(left_behind(work)) > 4
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == INTERRUPTED
        assert "Traceback" not in process.stderr.read()
