"""Whoever installs or removes us while pods are created makes none of them fail."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.e2e.installing.conftest import BINDING, end_replicas, ending_with_its_objects
from tests.e2e.installing.creating import Creating
from tests.support.cluster_client import ClusterClient, pod
from tests.support.installed import Installed, eventually

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from devcluster.controlplane import ControlPlane


async def test_while_nothing_answers_yet_pods_are_created_without_us_and_then_with_us(bare: ControlPlane) -> None:
    async with Creating(bare, "first") as creating:
        await creating.more()
        await asyncio.to_thread(bare.kubectl, "apply", "-f", str(RELEASE_MANIFEST))
        await creating.more()
        assert len(creating.unserved()) == len(creating.creates)

        await asyncio.to_thread(Installed(bare, RELEASE_MANIFEST).sync)
        synced = time.monotonic()
        await creating.more()

    assert creating.failures == []
    assert creating.unserved(synced) == []
    assert creating.served(synced)


REMOVALS = {
    "the manifest": ("delete", "-f", str(RELEASE_MANIFEST)),
    "the namespace": ("delete", "namespace", "kubemacpool-system"),
}


@pytest.mark.parametrize("removal", REMOVALS.values(), ids=REMOVALS)
async def test_while_it_is_removed_and_afterwards_pods_are_created(
    installed: Installed, removal: tuple[str, ...]
) -> None:
    control_plane = installed.control_plane
    async with Creating(control_plane, f"last-{removal[1].strip('-')}") as creating:
        await creating.more()
        assert len(creating.served()) == len(creating.creates)
        async with ending_with_its_objects(control_plane):
            await asyncio.to_thread(control_plane.kubectl, *removal, "--timeout=90s")
        removed = time.monotonic()
        await creating.more()

    assert creating.failures == []
    assert creating.served(removed) == []


async def test_a_binding_that_somebody_empties_is_written_again(installed: Installed) -> None:
    async with ClusterClient(installed.control_plane) as client:
        await client.patch(BINDING, {"subjects": None})

        async def bound() -> bool:
            return b'"subjects"' in (await client.request("GET", BINDING)).body

        await eventually(bound, "the binding has its subject again")


async def test_applied_again_while_no_replica_answers_the_manifest_does_not_let_pods_pass_us(
    installed: Installed,
) -> None:
    """That nobody answers is a failure here, and has to look like one."""
    control_plane = installed.control_plane
    async with ClusterClient(control_plane) as client:
        await client.namespace("unanswered")
        await client.made("unanswered", pod("answered"))
        end_replicas(control_plane)
        for way in ((), ("--server-side", "--force-conflicts")):  # the second is how GitOps tools do it
            await asyncio.to_thread(control_plane.kubectl, "apply", "-f", str(RELEASE_MANIFEST), *way)

        async def fails() -> bool:
            return "failed calling webhook" in (await client.create("unanswered", pod("passes"), dry_run=True)).message

        await eventually(fails, "a create fails")
