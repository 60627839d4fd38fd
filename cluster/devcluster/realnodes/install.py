"""KubeMacPool on real nodes: the image in every node's store, and the release manifest word for word."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devcluster.deployment import DEPLOYMENT, NAMESPACE, Service
from devcluster.errors import CommandError, SettingError
from devcluster.files import locked
from devcluster.realnodes import images
from devcluster.settings import RELEASE_MANIFEST, REPOSITORY
from devcluster.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.controlplane import ControlPlane
    from devcluster.waiting import Progress

ROLLOUT_SECONDS = 120
LOG_LINES_SHOWN = 5
WEBHOOK_SERVICE = "kubemacpool-service"
CONNECT_SECONDS = 1.0
SERVICE_SECONDS = 30.0


class _Metadata(msgspec.Struct):
    generation: int


class _Deployment(msgspec.Struct):
    metadata: _Metadata


def sync(
    control_plane: ControlPlane,
    progress: Progress,
    *,
    manifest: Path = RELEASE_MANIFEST,
    environment: Mapping[str, str] = os.environ,
) -> None:
    """Import the image on every node, apply the manifest, and wait until the rollout has ended.

    Raises:
        ClusterError: the image cannot be built or imported, the manifest was refused, or a pod does not become ready.
    """
    archive = image_archive(control_plane.layout.images / "release", progress, environment)
    with locked(control_plane.layout.installation / "lock", "syncs", progress):
        fleet = control_plane.fleet
        nodes = [fleet.node(name) for name in fleet.names()]
        progress(f"importing {archive} on {len(nodes)} nodes")
        changed = images.load(nodes, archive)
        before = _deployment(control_plane)
        for line in control_plane.kubectl("apply", "-f", str(manifest)).stdout.splitlines():
            progress(line)
        after = _deployment(control_plane)
        if changed and before is not None and after is not None and before.metadata == after.metadata:
            # The name is the same, so that the Deployment alone shows no change.
            control_plane.kubectl("-n", NAMESPACE, "rollout", "restart", f"deployment/{DEPLOYMENT}")
        await_rollout(control_plane)
        _await_service(control_plane, progress)


def await_rollout(control_plane: ControlPlane) -> None:
    """Wait until every replica is of the present revision and ready.

    Raises:
        CommandError: it takes too long; says what the pods have logged.
    """
    waiting = ("rollout", "status", f"deployment/{DEPLOYMENT}", f"--timeout={ROLLOUT_SECONDS}s")
    told = control_plane.kubectl("-n", NAMESPACE, *waiting, check=False, timeout=ROLLOUT_SECONDS + 30)
    if told.returncode:
        selector = ("-n", NAMESPACE, "-l", "control-plane=mac-controller-manager")
        pods = control_plane.kubectl("get", "pods", "-o", "wide", *selector, check=False).stdout
        tail = f"--tail={LOG_LINES_SHOWN}"
        logs = control_plane.kubectl("logs", "--prefix", tail, *selector, check=False).stdout
        raise CommandError("kubectl rollout status", told.returncode, f"{told.stderr}\n{pods}\n{logs}")


def _await_service(control_plane: ControlPlane, progress: Progress) -> None:
    """Wait until the API server reaches the webhook; kube-proxy takes a second to hear of ready replicas."""
    service = control_plane.api.get(f"/api/v1/namespaces/{NAMESPACE}/services/{WEBHOOK_SERVICE}", Service)
    where = (service.spec.cluster_ip, service.spec.ports[0].port)

    def reached() -> bool:
        try:
            socket.create_connection(where, CONNECT_SECONDS).close()
        except OSError:
            return False
        return True

    wait_until(
        reached,
        what=f"the Service {WEBHOOK_SERVICE} to be reached",
        within=SERVICE_SECONDS,
        needs=[control_plane.fleet.switch.daemon],
        progress=progress,
    )


def image_archive(directory: Path, progress: Progress, environment: Mapping[str, str]) -> Path:
    """Return the archive of the image: the one that MACPOOL_IMAGE names, or what `make image` builds of this checkout.

    Raises:
        ClusterError: there is none, or it could not be built.
    """
    given = environment.get("MACPOOL_IMAGE")
    if given:
        archive = Path(given).absolute()
        if not archive.is_file():
            message = f"MACPOOL_IMAGE={given}: there is no such archive of an image."
            raise SettingError(message)
        return archive
    progress("building the image (make image)")
    shutil.rmtree(directory, ignore_errors=True)
    wanted = (f"PLATFORM=linux/{images.architecture()}", f"OUT={directory}")
    built = subprocess.run(
        ["make", "--no-print-directory", "image", *wanted],
        cwd=REPOSITORY,
        check=False,
        capture_output=True,
        text=True,
    )
    found = sorted(directory.glob("*.oci.tar"))
    if built.returncode or not found:
        raise CommandError("make image", built.returncode, built.stderr or built.stdout)
    return found[0]


def _deployment(control_plane: ControlPlane) -> _Deployment | None:
    path = f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}"
    return control_plane.api.find(path, _Deployment)
