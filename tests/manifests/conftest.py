"""kubectl, which is kustomize as well, and a control plane on which nothing is installed."""

from __future__ import annotations

import subprocess
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from manifests.releases import CONFIG

from devcluster.assets import control_plane_binaries
from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import DEFAULT_KUBERNETES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    Objects = list[dict[str, Any]]
    Kustomize = Callable[[Path], Objects]

KEEPS: Final = "x-kubernetes-preserve-unknown-fields"
OTHERS: Final = [
    ("monitoring.coreos.com", "v1", "servicemonitors", "ServiceMonitor"),
    ("monitoring.coreos.com", "v1", "prometheusrules", "PrometheusRule"),
    ("cert-manager.io", "v1", "certificates", "Certificate"),
    ("cert-manager.io", "v1", "issuers", "Issuer"),
]


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


@pytest.fixture(scope="session")
def with_kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with our namespace and the kinds of others that manifests may have, and nothing else."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("manifests"), controllers=False, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        control_plane.kubectl("apply", "-f", str(CONFIG / "base" / "namespace.yaml"))
        kinds = yaml.safe_dump_all([_kind(*each) for each in OTHERS])
        control_plane.kubectl("apply", "-f", "-", stdin=kinds)
        control_plane.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield control_plane


def _kind(group: str, version: str, plural: str, kind: str) -> dict[str, Any]:
    """A kind that somebody else defines; its own schema is not here, so any spec is accepted."""
    schema = {"type": "object", "properties": {"spec": {"type": "object", KEEPS: True}}}
    served = {"name": version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"plural": plural, "singular": kind.lower(), "kind": kind, "listKind": f"{kind}List"},
            "versions": [served],
        },
    }
