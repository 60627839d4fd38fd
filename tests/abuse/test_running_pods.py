"""Annotations that are changed on pods which exist: what is new is judged and served, what was there before is not."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import MERGE, NETWORKS, macs_of, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import machine, nic
from tests.support.machines import machine_macs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

pytestmark = pytest.mark.usefixtures("survivors")

DEFAULT: Final = "v1.multus-cni.io/default-network"
ONE: Final = '[{"name":"one"}]'
TWO: Final = '[{"name":"one"},{"name":"two"}]'


def path_of(namespace: str, name: str) -> str:
    """Where a pod is."""
    return f"/api/v1/namespaces/{namespace}/pods/{name}"


async def annotate(
    cluster: ClusterClient,
    namespace: str,
    name: str,
    networks: str | None,
    *,
    dry_run: bool = False,
    key: str = NETWORKS,
) -> Reply:
    """Do what `kubectl annotate --overwrite` does."""
    params = {"dryRun": "All"} if dry_run else None
    body = {"metadata": {"annotations": {key: networks}}}
    return await cluster.request("PATCH", path_of(namespace, name), body, params=params, content_type=MERGE)


async def admissions(installed: Installed) -> float:
    """How many reviews were answered, of whatever kind and outcome."""
    total = 0.0
    for replica in installed.replicas:
        figures = await installed.figures(replica)
        total += sum(count for name, count in figures.items() if "admission_duration_seconds_count" in name)
    return total


async def test_a_network_that_is_plugged_into_a_running_pod_gets_an_address(
    cluster: ClusterClient, namespace: str
) -> None:
    before = (await cluster.made(namespace, pod("a", ONE, scheduled=True))).mac
    asked = await annotate(cluster, namespace, "a", TWO, dry_run=True)
    assert asked.status == 200
    assert len(set(asked.macs)) == 2
    plugged = await annotate(cluster, namespace, "a", TWO)
    assert plugged.status == 200, plugged.body
    first, second = plugged.macs
    assert first == before != second
    assert [entry["namespace"] for entry in plugged.entries] == [namespace] * 2
    refused = await cluster.judged(namespace, pod("b", f'[{{"name":"one","mac":"{second}"}}]'))
    assert f"is in use by Pod {namespace}/a" in refused.message


async def test_a_manifest_that_is_applied_again_leaves_a_pod_the_addresses_that_it_has(
    cluster: ClusterClient, namespace: str
) -> None:
    before = (await cluster.made(namespace, pod("a", TWO))).macs
    assert (await annotate(cluster, namespace, "a", TWO)).macs == before
    assert (await annotate(cluster, namespace, "a", '[{"name":"two"},{"name":"one"}]')).macs == before[::-1]


async def test_a_running_pod_cannot_be_given_what_somebody_else_has(
    cluster: ClusterClient, elsewhere: Elsewhere, namespace: str, block: Block
) -> None:
    theirs = await elsewhere("others")
    await cluster.made(theirs, pod("holder", f'[{{"name":"net","mac":"{block[0]}"}}]'))
    mine = (await cluster.made(namespace, pod("thief", ONE))).networks

    async def refused() -> bool:
        reply = await annotate(cluster, namespace, "thief", f'[{{"name":"one","mac":"{block[0]}"}}]', dry_run=True)
        return f"is in use by Pod {theirs}/holder" in reply.message

    await eventually(refused, "the holder is seen")
    for stolen in (
        f'[{{"name":"one","mac":"{block[0]}"}}]',
        f'[{{"name":"one","cni-args":{{"mac":"{block[0]}"}}}}]',
    ):
        reply = await annotate(cluster, namespace, "thief", stolen)
        assert (reply.status, reply.reason) == (403, "Forbidden")
        assert f"{block[0]} is in use by Pod {theirs}/holder" in reply.message
    reply = await annotate(cluster, namespace, "thief", f'[{{"name":"x","mac":"{block[0]}"}}]', key=DEFAULT)
    assert f'entry 0 ("x") of {DEFAULT}: mac {block[0]} is in use by Pod {theirs}/holder' in reply.message
    reply = await annotate(cluster, namespace, "thief", '[{"name":"one","mac":"zz"}]')
    assert (reply.status, reply.reason) == (400, "BadRequest")
    found = await cluster.request("GET", path_of(namespace, "thief"))
    assert found.networks == mine


async def test_the_address_of_a_stopped_machine_cannot_be_taken_by_annotating_a_pod(
    cluster: ClusterClient, vms: Machines, kubevirt: VirtController, elsewhere: Elsewhere
) -> None:
    mac = machine_macs(await vms.made(machine("victim", nic())))["one"]
    await vms.until_held(mac, f"VirtualMachine {vms.namespace}/victim")
    tenant = await elsewhere("tenant")
    await cluster.made(tenant, pod("p", ONE))
    reply = await annotate(cluster, tenant, "p", f'[{{"name":"one","mac":"{mac}"}}]')
    assert reply.status == 403
    assert f"is in use by VirtualMachine {vms.namespace}/victim" in reply.message
    await vms.start("victim")
    assert not kubevirt.refusals


async def test_taking_networks_away_is_never_refused_nor_is_what_was_wrong_before(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    unserved = await elsewhere("unserved")
    label = "mutatepods.kubemacpool.io"
    await cluster.patch(f"/api/v1/namespaces/{unserved}", {"metadata": {"labels": {label: "ignore"}}})
    await cluster.made(namespace, pod("holder", f'[{{"name":"net","mac":"{block[0]}"}}]'))
    wrong: list[Mapping[str, str]] = [
        {"name": "taken", "mac": block[0]},
        {"name": "malformed", "mac": "zz"},
        {"name": "multicast", "mac": "01:00:00:00:00:01"},
        {"name": "once", "mac": block[1]},
        {"name": "twice", "mac": block[1]},
        {"name": "bare"},
    ]
    await cluster.made(unserved, pod("p", json.dumps(wrong)))
    await cluster.patch(f"/api/v1/namespaces/{unserved}", {"metadata": {"labels": {label: None}}})

    async def served() -> bool:
        reply = await cluster.create(unserved, pod("x"), dry_run=True)
        return "mac" in reply.networks

    await eventually(served, "the namespace is served")
    plugged = await annotate(cluster, unserved, "p", json.dumps([*wrong, {"name": "new"}]))
    assert plugged.status == 200, plugged.body
    assert [entry.get("mac", "") for entry in plugged.entries[:-1]] == [each.get("mac", "") for each in wrong]
    assert plugged.entries[-1]["mac"] not in {"", block[0], block[1]}
    refused = await annotate(cluster, unserved, "p", json.dumps([*wrong, {"name": "again", "mac": block[1]}]))
    assert (refused.status, "duplicate MAC address" in refused.message) == (400, True)
    for left in (json.dumps(wrong), json.dumps(wrong[:3]), "[]", None):
        assert (await annotate(cluster, unserved, "p", left)).status == 200


async def test_a_pod_that_is_ending_may_be_annotated_with_anything(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    await cluster.made(namespace, pod("holder", f'[{{"name":"net","mac":"{block[0]}"}}]'))
    await cluster.made(namespace, pod("done", ONE))
    await cluster.patch(path_of(namespace, "done") + "/status", {"status": {"phase": "Succeeded"}})
    await cluster.made(namespace, pod("leaving", ONE, metadata={"finalizers": ["example.com/kept"]}))
    await cluster.delete(namespace, "leaving")
    for name in ("done", "leaving"):
        for anything in (f'[{{"name":"one","mac":"{block[0]}"}}]', "[broken", TWO):
            reply = await annotate(cluster, namespace, name, anything)
            assert (reply.status, reply.networks) == (200, anything)
    await cluster.patch(path_of(namespace, "leaving"), {"metadata": {"finalizers": None}})


async def test_a_change_that_leaves_the_networks_alone_does_not_come_to_us(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    await cluster.made(namespace, pod("a", ONE))
    before = await admissions(installed)
    for number in range(5):
        await cluster.patch(path_of(namespace, "a"), {"metadata": {"labels": {"n": f"{number}"}}})
        await cluster.patch(path_of(namespace, "a"), {"metadata": {"annotations": {"other": f"{number}"}}})
        await cluster.patch(path_of(namespace, "a") + "/status", {"status": {"message": f"{number}"}})
    assert await admissions(installed) == before
    assert macs_of((await annotate(cluster, namespace, "a", TWO)).networks)
    assert await admissions(installed) == before + 1
