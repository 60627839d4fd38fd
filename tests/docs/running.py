"""A reader of a document: somebody at a shell with kubectl and kubemacpool, who types what is told."""

from __future__ import annotations

import os
import re
import subprocess
from typing import TYPE_CHECKING, Final

from tests.docs.blocks import ROOT, Document, File
from tests.docs.outputs import Outputs

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from tests.support.installed import Installed

SECONDS: Final = 60

_NOT_SHARED: Final = frozenset({"_out", ".git"})
"""What a reader has for himself; all else of the tree stands where the commands are typed."""


class Reader:
    """Types the commands of one document."""

    def __init__(self, installed: Installed, directory: Path, placeholders: Mapping[str, str]) -> None:
        self._directory = directory
        self._placeholders = placeholders
        self._outputs = Outputs()
        layout = installed.control_plane.layout
        programs = directory / "bin"
        programs.mkdir()
        (programs / "kubectl").symlink_to(layout.kubectl)
        for name in ("kubemacpool", "kubectl-macpool"):
            (programs / name).symlink_to(ROOT / ".venv" / "bin" / name)
        for path in ROOT.iterdir():
            if path.name not in _NOT_SHARED:
                (directory / path.name).symlink_to(path)
        (directory / "_out").mkdir()
        (directory / "_out" / "cluster").symlink_to(layout.state_dir)
        kubeconfig = directory / "kubeconfig"
        kubeconfig.write_bytes(layout.kubeconfig.read_bytes())
        self._environment = os.environ | {
            "PATH": f"{programs}:{os.environ['PATH']}",
            "KUBECONFIG": str(kubeconfig),
            "KUBECACHEDIR": str(directory / "cache"),
            "LC_ALL": "C.UTF-8",
            "NO_COLOR": "1",
            "COLUMNS": "200",
        }

    def follow(self, document: Document) -> None:
        """Do what it says, and compare what comes of it."""
        for part in document.parts:
            if isinstance(part, File):
                (self._directory / part.name).write_text(self._filled(part.text))
                continue
            if part.reason:
                continue
            for command in part.commands:
                status, printed = self.type(self._filled(command.text))
                where = f"{document.path}:{part.line}: {command.text}"
                assert status == command.status, f"{where}\nended with {status}:\n{printed}"
                if command.output:
                    differing = self._outputs.differ(self._filled(command.output), printed)
                    assert not differing, f"{where}\n{differing}"

    def type(self, command: str) -> tuple[int, str]:
        """Run a command; gives how it ended, and what stood in the terminal."""
        variables = self._directory / "variables"
        done = subprocess.run(
            ["bash", "-a", "-e", "-o", "pipefail", "-c", f"{command}\nenv -0 > '{variables}'"],
            cwd=self._directory,
            env=self._environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=SECONDS,
            check=False,
        )
        if done.returncode == 0:
            items = variables.read_text().rstrip("\0").split("\0")
            self._environment = dict(item.split("=", 1) for item in items)
        return done.returncode, done.stdout

    def _filled(self, text: str) -> str:
        """With what a reader writes in place of words in capitals."""
        return re.sub(r"\b[A-Z]{4,}\b", lambda match: self._placeholders.get(match[0], match[0]), text)
