"""The kinds of KubeVirt, without KubeVirt: what the tests, the benchmarks and the demo have of it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from devcluster.settings import KUBEVIRT_CRDS

if TYPE_CHECKING:
    from devcluster.controlplane import ControlPlane


def serve_kinds(control_plane: ControlPlane) -> None:
    """Have the API server serve them; returns when it does."""
    control_plane.kubectl("apply", "-f", str(KUBEVIRT_CRDS))
    control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(KUBEVIRT_CRDS))
