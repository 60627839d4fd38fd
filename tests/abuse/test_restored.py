"""etcd comes back from a backup: what was deleted since then exists again, and nobody who serves knows of it."""

from __future__ import annotations

import asyncio
import shutil
import signal
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import ClusterClient, Found, pod, together
from tests.support.installed import Installed, eventually, installation
from tests.support.lease import LEASE

from kubemacpool.election.timing import RENEWAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Block

    from devcluster.controlplane import ControlPlane

pytestmark = pytest.mark.usefixtures("survivors")

LOST_PODS: Final = 300
LOST: Final = "nobody knows what was allocated lately: waiting until nothing of it can be on its way"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation on a cluster that may be set back."""
    with installation(tmp_path_factory.mktemp("restored-cluster"), controllers=False) as installed:
        yield installed


def stopped(control_plane: ControlPlane) -> Path:
    """Stop the API server and etcd, as an administrator does before a restore; gives where etcd's data are."""
    control_plane.stop_apiserver()
    control_plane.layout.daemon("etcd").stop(10.0)
    return control_plane.layout.etcd_data


def back_up(control_plane: ControlPlane, backup: Path) -> None:
    """Copy etcd's data as they are at one moment; etcd finds itself in them as it does after a loss of power."""
    process = control_plane.layout.daemon("etcd").running()
    assert process is not None
    process.send(signal.SIGSTOP)
    try:
        shutil.copytree(control_plane.layout.etcd_data, backup)
    finally:
        process.send(signal.SIGCONT)


def restore(control_plane: ControlPlane, backup: Path) -> None:
    """Put the copy in the place of etcd's data, and have the cluster go on from there."""
    data = stopped(control_plane)
    shutil.rmtree(data)
    shutil.copytree(backup, data)
    control_plane.start()


async def version(cluster: ClusterClient) -> int:
    """The resourceVersion of the Lease."""
    return int((await cluster.get(LEASE, Found)).metadata.resource_version)


async def test_what_a_resurrected_pod_carries_is_allocated_to_nobody_and_service_comes_back(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, tmp_path: Path
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(namespace, pod("resurrected", networks))
    await asyncio.to_thread(back_up, installed.control_plane, tmp_path / "backup")
    await cluster.delete(namespace, "resurrected")
    # More than the cluster writes by itself when it starts again.
    await together(cluster.made(namespace, pod(f"lost-{number}")) for number in range(LOST_PODS))
    await asyncio.sleep(RENEWAL_SECONDS + 1.0)  # the Lease is newer than all of them
    reached = await version(cluster)
    since = installed.log_ends()
    await asyncio.to_thread(restore, installed.control_plane, tmp_path / "backup")
    async with ClusterClient(installed.control_plane) as after:
        assert await version(after) < reached
        refusal = ""

        async def refused() -> bool:
            nonlocal refusal
            reply = await after.create(namespace, pod("thief", networks))
            assert not reply.created, f"{block[0]} was allocated although a pod has it"
            refusal = reply.message
            return "is in use by" in refusal

        await eventually(refused, "service is back", within=40.0)
        assert f"mac {block[0]} is in use by Pod {namespace}/resurrected" in refusal
        assert (await after.made(namespace, pod("after"))).mac
        assert installed.log(since, event=LOST, level="warning")
