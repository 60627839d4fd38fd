"""kubectl, which is kustomize as well."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from devcluster.assets import control_plane_binaries
from devcluster.settings import DEFAULT_KUBERNETES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Objects = list[dict[str, Any]]
    Kustomize = Callable[[Path], Objects]


@pytest.fixture(scope="session")
def kustomize() -> Kustomize:
    """Build a kustomization into objects."""
    programs = control_plane_binaries(DEFAULT_KUBERNETES_VERSION, controllers=False, progress=print)

    def build(directory: Path) -> Objects:
        command = [str(programs["kubectl"]), "kustomize", str(directory)]
        made = subprocess.run(command, capture_output=True, text=True, check=False)
        assert (made.returncode, made.stderr) == (0, "")
        return list(yaml.safe_load_all(made.stdout))

    return build
