"""`assign --live`: what the cluster has is part of the ledger."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.cluster_client import ClusterClient, pod
from tests.support.machine_manifests import machine, nic
from tests.support.machines import Machines, machine_macs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cli.conftest import Run
    from tests.e2e.conftest import Block


async def test_objects_keep_the_addresses_that_they_have_in_the_cluster_and_others_get_free_ones(
    run: Run, cluster: ClusterClient, namespace: str, block: Block, tmp_path: Path
) -> None:
    made = await Machines(cluster, namespace).made(machine("there", nic("one")))
    (mac,) = machine_macs(made).values()
    await cluster.made(namespace, pod("holder", f'[{{"name":"one","mac":"{block[1]}"}}]'))
    path = tmp_path / "machines.json"
    manifests = [machine("there", nic("one")), machine("new", nic("one"))]
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": manifests}, indent=1))
    await run("assign", "-f", path, "--live", "-n", namespace, f"--range={block[1]}-{block[2]}")
    there, new = json.loads(path.read_text())["items"]
    assert machine_macs(there) == {"one": mac}
    assert machine_macs(new) == {"one": block[2]}
    assert (await run("assign", "-f", path, "--live", "-n", namespace, "--check")).out == ""


async def test_an_address_of_somebody_in_the_cluster_is_a_conflict(
    run: Run, cluster: ClusterClient, namespace: str, block: Block, tmp_path: Path
) -> None:
    await cluster.made(namespace, pod("holder", f'[{{"name":"one","mac":"{block[1]}"}}]'))
    path = tmp_path / "machine.json"
    path.write_text(json.dumps(machine("new", nic("one", block[1]))))
    told = await run("assign", "-f", path, "--live", "-n", namespace, status=1)
    assert f"{block[1]} is that of Pod {namespace}/holder in the cluster too" in told.err


async def test_a_deployment_keeps_what_its_pod_has(
    run: Run, cluster: ClusterClient, namespace: str, block: Block, tmp_path: Path
) -> None:
    networks = f'[{{"name":"one","mac":"{block[3]}"}}]'
    await cluster.made(namespace, pod("web-5d9c7f-x2x4z", networks))
    template = {"metadata": {"annotations": {"k8s.v1.cni.cncf.io/networks": networks}}}
    spec = {"strategy": {"type": "Recreate"}, "template": template}
    path = tmp_path / "deployment.json"
    path.write_text(
        json.dumps({"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec})
    )
    assert (await run("assign", "-f", path, "--live", "-n", namespace, "--check")).out == ""
