"""The control plane that is measured on."""

from __future__ import annotations

from contextlib import contextmanager
from typing import TYPE_CHECKING

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import DEFAULT_KUBERNETES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

KUBERNETES = DEFAULT_KUBERNETES_VERSION
# With one worker, the default, removing the pods would take longer than creating them.
APISERVER_ARGUMENTS = ("--delete-collection-workers=16",)


@contextmanager
def started(
    directory: Path, progress: Callable[[str], None], *, controllers: bool = False, nodes: int = 0
) -> Iterator[ControlPlane]:
    """Run a control plane for as long as the block lasts, and no longer than this process."""
    spec = ControlPlaneSpec(
        directory / "controlplane",
        KUBERNETES,
        controllers=controllers,
        nodes=nodes,
        apiserver_args=APISERVER_ARGUMENTS,
        ends_with_caller=True,
    )
    control_plane = ControlPlane(spec)
    # What a killed run has left.
    control_plane.stop()
    progress("starting a control plane")
    control_plane.start(progress)
    try:
        yield control_plane
    finally:
        control_plane.stop()
