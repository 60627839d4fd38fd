"""The real Helm, with a home of its own."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING

from devcluster.assets import built, helm

if TYPE_CHECKING:
    from pathlib import Path


class Helm:
    """Runs Helm, on a cluster where it is given one."""

    def __init__(self, home: Path, kubeconfig: Path | None = None) -> None:
        """Build it, if the cache has none."""
        self._program = built(helm(), print) / "helm"
        places = {f"HELM_{kind}_HOME": str(home / kind.lower()) for kind in ("CACHE", "CONFIG", "DATA")}
        self._environment = places | {"KUBECONFIG": str(kubeconfig or home / "none")}

    def __call__(self, *arguments: str) -> str:
        """What it prints; has to succeed."""
        done = self.run(*arguments)
        assert done.returncode == 0, f"helm {' '.join(arguments)}: {done.stderr}"
        return done.stdout

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        """Whatever comes of it."""
        command = [str(self._program), *arguments]
        return subprocess.run(command, env=self._environment, capture_output=True, text=True, check=False)
