"""The command line as a user calls it."""

from __future__ import annotations

import os
import subprocess
import sys
from dataclasses import dataclass
from typing import TYPE_CHECKING

from devcluster.layout import Layout
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = ("MACPOOL_PROVIDER", "MACPOOL_NUM_NODES", "KUBERNETES_VERSION")


@dataclass(frozen=True, slots=True)
class Verbs:
    """`python -m devcluster` on one state directory."""

    state_dir: Path

    @property
    def layout(self) -> Layout:
        """The paths of the cluster."""
        return Layout(self.state_dir)

    def run(self, verb: str, *, check: bool = False, **settings: str) -> subprocess.CompletedProcess[str]:
        """Run a verb to its end."""
        answer = subprocess.run(
            self._command(verb), env=environment(settings), capture_output=True, text=True, check=False, timeout=540
        )
        assert answer.returncode == 0 or not check, answer.stderr
        return answer

    def begin(self, verb: str) -> subprocess.Popen[str]:
        """Begin a verb."""
        return subprocess.Popen(
            self._command(verb), env=environment({}), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )

    def pid(self, name: str) -> int:
        """Return the pid of one of the cluster's processes, which must be running."""
        process = self.layout.daemon(name).running()
        assert process is not None, f"{name} is not running"
        return process.pid

    def _command(self, verb: str) -> list[str]:
        return [sys.executable, "-m", "devcluster", verb, "--state-dir", str(self.state_dir)]


def environment(settings: dict[str, str]) -> dict[str, str]:
    """Return this process's environment with these settings and no others."""
    kept = {name: value for name, value in os.environ.items() if name not in SETTINGS}
    return kept | {"PYTHONPATH": str(REPOSITORY / "cluster")} | settings
