"""References to controllers come, change and go; nobody ends by that, and addresses stay known."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.machine_manifests import (
    Document,
    controller_reference,
    instance,
    instance_spec,
    launcher_pod,
    nic,
)
from tests.support.machines import INSTANCES, PODS, document, uid_of

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.machines import Machines

pytestmark = pytest.mark.usefixtures("survivors")

SEED: Final = 20261127
FINALIZER: Final = "tests.example/keep"
"""Keeps objects whose reference names nobody: the garbage collector would delete them in the middle of the test."""


def _owned_by(*owners: Document) -> Document:
    return {"metadata": {"ownerReferences": [controller_reference(owner) for owner in owners]}}


async def test_a_pod_that_loses_its_controller_ends_no_replica_and_holds_its_address(
    vms: Machines, block: Block
) -> None:
    owner = await vms.made(instance("a", instance_spec([nic("one", block[0])]), {"finalizers": []}), INSTANCES)
    await vms.until_held(block[0], f"VirtualMachineInstance {vms.namespace}/a")
    name = document(await vms.create(launcher_pod(owner), PODS))["metadata"]["name"]
    document(await vms.patch(name, _owned_by(), PODS))
    document(await vms.patch(name, {"metadata": {"labels": {"seen": "again"}}}, PODS))
    await vms.delete("a", plural=INSTANCES)
    await vms.until_held(block[0], f"Pod {vms.namespace}/{name}")
    await vms.delete(name, plural=PODS)
    await vms.until_free(block[0])


async def test_whatever_becomes_of_references_no_replica_ends_and_every_address_is_known(
    vms: Machines, block: Block
) -> None:
    chance = random.Random(SEED)  # noqa: S311 (no secret)
    kept = {"finalizers": [FINALIZER]}
    owners = [
        await vms.made(instance(name, instance_spec([nic("one", block[number])]), kept), INSTANCES)
        for number, name in enumerate("abc")
    ]
    forged = owners[0] | {"metadata": owners[0]["metadata"] | {"uid": uid_of(owners[1])}}
    pods: dict[str, str] = {}
    for number, owner in enumerate(owners):
        await vms.until_held(block[number], f"VirtualMachineInstance {vms.namespace}/{owner['metadata']['name']}")
        manifest = launcher_pod(owner)
        manifest["metadata"]["finalizers"] = [FINALIZER]
        pods[document(await vms.create(manifest, PODS))["metadata"]["name"]] = block[number]
    for number in range(60):
        name = chance.choice(list(pods))
        change = chance.choice([_owned_by(), *map(_owned_by, owners), _owned_by(forged)])
        change["metadata"]["labels"] = {"changed": str(number)}
        document(await vms.patch(name, change, PODS))
    for name in pods:
        document(await vms.patch(name, _owned_by(), PODS))
    for name in "abc":
        document(await vms.patch(name, {"metadata": {"finalizers": None}}, INSTANCES))
        await vms.delete(name, plural=INSTANCES)
    for name, mac in pods.items():
        await vms.until_held(mac, f"Pod {vms.namespace}/{name}")
    for name, mac in pods.items():
        # The garbage collector may have begun with it: then it is gone with its finalizer.
        document(await vms.cluster.request("DELETE", vms.path(name, PODS)))
        document(await vms.patch(name, {"metadata": {"finalizers": None}}, PODS))
        await vms.until_free(mac)
