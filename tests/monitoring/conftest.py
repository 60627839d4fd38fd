"""Prometheus' own programs."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

import pytest

from devcluster import assets

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path
    from subprocess import CompletedProcess

    Promtool = Callable[..., CompletedProcess[str]]


@pytest.fixture(scope="session")
def prometheus_programs() -> Path:
    """Where `prometheus` and `promtool` are."""
    return assets.built(assets.prometheus(), print)


@pytest.fixture(scope="session")
def promtool(prometheus_programs: Path) -> Promtool:
    """Run promtool with arguments and, where there is one, an input."""

    def run(*arguments: str, given: str = "") -> CompletedProcess[str]:
        command = [str(prometheus_programs / "promtool"), *arguments]
        return subprocess.run(command, input=given, capture_output=True, text=True, check=False)

    return run
