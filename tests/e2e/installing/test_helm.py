"""The real Helm installs, tests, upgrades, rolls back and removes us while pods are created."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec
from manifests.chart import CHART
from tests.e2e.installing.conftest import BINDING, DEPLOYMENT, ending_with_its_objects
from tests.e2e.installing.creating import Creating
from tests.support.cluster_client import RANGE, ClusterClient, ConfigMap
from tests.support.helm import Helm
from tests.support.installed import ENVIRONMENT

from devcluster.sync import Installation

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

NAME: Final = "kubemacpool"
STARTS: Final = "02:e0:00:00:00:00"


class Spec(msgspec.Struct):
    """How many replicas there are to be."""

    replicas: int


class Deployment(msgspec.Struct):
    """A Deployment."""

    spec: Spec


async def test_helm_installs_tests_upgrades_rolls_back_and_removes_it_and_no_create_fails(
    bare: ControlPlane, tmp_path: Path
) -> None:
    helm, installation = Helm(tmp_path, bare.kubeconfig), Installation(bare)

    async def do(*arguments: str) -> str:
        """Have Helm do something, and have replicas run as it says."""
        said = await asyncio.to_thread(helm, *arguments)
        await asyncio.to_thread(lambda: installation.sync(manifest=None, environment=ENVIRONMENT))
        return said

    async with ClusterClient(bare) as client, Creating(bare, "helm") as creating:
        await creating.more()
        notes = await do("install", NAME, str(CHART))
        assert "helm test kubemacpool --namespace default" in notes
        served = time.monotonic()
        assert "Phase:          Succeeded" in await asyncio.to_thread(helm, "test", NAME)

        await do("upgrade", NAME, str(CHART), "--set", f"replicas=3,pool.start={STARTS}")
        assert await replicas(client) == 3
        assert (await client.get(RANGE, ConfigMap)).data["RANGE_START"] == STARTS
        await do("rollback", NAME, "1")
        assert await replicas(client) == 2
        await creating.more()
        assert creating.unserved(served) == [], "what the replicas have written is left alone"

        await client.set_range(STARTS, "02:e0:ff:ff:ff:ff")
        refused = await asyncio.to_thread(helm.run, "upgrade", NAME, str(CHART))
        assert "RANGE_START" in refused.stderr, "what somebody has edited is not undone silently"

        async with ending_with_its_objects(bare):
            await asyncio.to_thread(helm, "uninstall", NAME, "--wait", "--timeout", "60s")
        removed = time.monotonic()
        await creating.more()
        assert (await client.request("GET", BINDING)).status == 404

    assert creating.failures == []
    assert creating.served(removed) == []


async def replicas(client: ClusterClient) -> int:
    """How many there are to be."""
    return (await client.get(DEPLOYMENT, Deployment)).spec.replicas
