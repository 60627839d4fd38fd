"""A control plane on which nothing is installed, and who plays kubelet and kube-proxy for what is removed."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import ClusterClient
from tests.support.installed import Installed

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

OURS: Final = "/api/v1/namespaces/kubemacpool-system"
SERVICE: Final = f"{OURS}/services/kubemacpool-service"
DEPLOYMENT: Final = "/apis/apps/v1/namespaces/kubemacpool-system/deployments/kubemacpool-mac-controller-manager"
BINDING: Final = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kubemacpool-serving"


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with its controllers."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("installing"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as started:
        yield started


@pytest.fixture
def bare(control_plane: ControlPlane) -> Iterator[ControlPlane]:
    """The control plane with nothing of ours on it, before and after."""
    remove(control_plane)
    yield control_plane
    remove(control_plane)


@pytest.fixture
def installed(bare: ControlPlane) -> Installed:
    """The release manifest, as it is applied to a cluster that never had it."""
    made = Installed(bare, RELEASE_MANIFEST)
    made.sync()
    return made


def end_replicas(control_plane: ControlPlane) -> None:
    """No Service leads to the replicas any more, and they are told to end: the supervisor does so without a plan."""
    (control_plane.layout.installation / "plan.json").unlink(missing_ok=True)


def remove(control_plane: ControlPlane) -> None:
    """Take away whatever is there."""
    control_plane.kubectl("delete", "-f", str(RELEASE_MANIFEST), "--ignore-not-found", "--wait=false")
    end_replicas(control_plane)
    control_plane.kubectl("wait", "--for=delete", "namespace/kubemacpool-system", "--timeout=60s")


@asynccontextmanager
async def ending_with_its_objects(control_plane: ControlPlane) -> AsyncIterator[None]:
    """Replicas and Service end at once when one of the objects that they stand for is being deleted: the worst case."""

    async def follow() -> None:
        async with ClusterClient(control_plane) as client:
            while True:
                replies = [await client.request("GET", path) for path in (SERVICE, DEPLOYMENT)]
                if any(reply.status != 200 or b'"deletionTimestamp"' in reply.body for reply in replies):
                    return end_replicas(control_plane)
                await asyncio.sleep(0.02)

    following = asyncio.create_task(follow())
    yield
    async with asyncio.timeout(60):
        await following
