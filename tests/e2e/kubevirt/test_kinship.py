"""Who belongs to a virtual machine, and who only says so."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any, Final

from tests.support.cluster_client import NETWORKS, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import (
    INSTANCE_FINALIZER,
    Document,
    controller_reference,
    instance,
    instance_spec,
    launcher_pod,
    machine,
    migration,
    nic,
)
from tests.support.machines import (
    INSTANCES,
    MIGRATIONS,
    PODS,
    document,
    instance_macs,
    launcher_macs,
    machine_macs,
    phase_of,
    uid_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.e2e.conftest import Block
    from tests.e2e.kubevirt.conftest import Collisions
    from tests.support.cluster_client import ClusterClient
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController


NOBODY: Final = "6b1ff2b5-8ba5-4f0b-a4b0-7f1f0f3c8d55"
"""A uid that no object has."""


async def until_migrating(vms: Machines, name: str, phase: str = "Running") -> None:
    """Wait until a migration is in this phase."""

    async def reached() -> bool:
        return phase_of(await vms.get(name, MIGRATIONS)) == phase

    await eventually(reached, f"migration {name} is {phase}")


async def unserve(vms: Machines) -> None:
    """From now on nobody asks us about machines and instances of this namespace; about pods they do."""
    label = {"metadata": {"labels": {"mutatevirtualmachines.kubemacpool.io": "ignore"}}}
    await vms.cluster.patch(f"/api/v1/namespaces/{vms.namespace}", label)

    async def unserved() -> bool:
        return not instance_macs(
            document(await vms.create(instance("x", instance_spec([nic()])), INSTANCES, dry_run=True))
        )

    await eventually(unserved, f"{vms.namespace} is not served")


async def test_the_launcher_pods_of_a_live_migration_share_the_addresses_and_that_is_no_collision(
    vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"), run_strategy="Always")))
    await vms.until_running("a")
    for number in range(2):
        (source,) = await vms.launchers("a")
        name = f"migration-{number}"
        await vms.made(migration(name, "a"), MIGRATIONS)
        await until_migrating(vms, name)
        pods = await vms.launchers("a")
        assert [launcher_macs(each) for each in pods] == [list(macs.values())] * 2
        await vms.until_held(macs["one"], f"VirtualMachine {vms.namespace}/a")
        await collisions(dict.fromkeys(macs.values(), 0))
        await kubevirt.end_migration(vms.namespace, name)
        (target,) = await vms.launchers("a")
        assert uid_of(target) != uid_of(source)
    await collisions(dict.fromkeys(macs.values(), 0))
    assert instance_macs(await vms.get("a", INSTANCES)) == macs == machine_macs(await vms.get("a"))
    await vms.delete("a")
    await vms.until_free(macs["two"])
    assert not kubevirt.refusals


async def test_a_live_migration_that_fails_leaves_the_source_with_its_address(
    vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    await vms.until_running("a")
    (source,) = await vms.launchers("a")
    await vms.made(migration("migration", "a"), MIGRATIONS)
    await until_migrating(vms, "migration")
    await kubevirt.end_migration(vms.namespace, "migration", "Failed")
    (left,) = await vms.launchers("a")
    assert uid_of(left) == uid_of(source)
    await vms.until_held(mac, f"VirtualMachine {vms.namespace}/a")
    await collisions({mac: 0})
    assert not kubevirt.refusals


async def test_an_instance_without_a_machine_holds_its_address_with_its_launcher_pod(
    vms: Machines, kubevirt: VirtController, collisions: Collisions, block: Block
) -> None:
    await vms.made(instance("a", instance_spec([nic("one", block[0])])), INSTANCES)
    await vms.until_held(block[0], f"VirtualMachineInstance {vms.namespace}/a")
    await vms.until_running("a")
    (launcher,) = await vms.launchers("a")
    assert launcher_macs(launcher) == [block[0]]
    await vms.made(migration("migration", "a"), MIGRATIONS)
    await until_migrating(vms, "migration")
    await collisions({block[0]: 0})
    await kubevirt.end_migration(vms.namespace, "migration")
    await vms.delete("a", plural=INSTANCES)
    await vms.until_stopped("a")
    await vms.until_free(block[0])
    assert not kubevirt.refusals


async def test_instances_of_two_machines_with_one_address_are_a_collision_that_ends_with_one_of_them(
    vms: Machines, kubevirt: VirtController, collisions: Collisions, block: Block
) -> None:
    await unserve(vms)
    for name in ("a", "b"):
        await vms.made(instance(name, instance_spec([nic("one", block[0])])), INSTANCES)
    for name in ("a", "b"):  # nobody's instance is kept from starting, whoever else carries what it has
        await vms.until_running(name)
    await collisions({block[0]: 2})
    await vms.delete("b", plural=INSTANCES)
    await collisions({block[0]: 0})
    assert await vms.find("a", INSTANCES) is not None
    assert not kubevirt.refusals


async def test_the_machines_of_a_pool_are_machines_like_any_other(
    vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    pool = {
        "apiVersion": "pool.kubevirt.io/v1beta1",
        "kind": "VirtualMachinePool",
        "metadata": {"name": "pool", "uid": NOBODY},
    }
    owned = {"ownerReferences": [controller_reference(pool)]}
    macs: dict[str, str] = {}
    for name in ("pool-0", "pool-1", "pool-2"):
        made = await vms.made(machine(name, run_strategy="Always", metadata=owned))
        macs[name] = machine_macs(made)["one"]
    assert len(set(macs.values())) == 3
    for name, mac in macs.items():
        assert instance_macs(await vms.until_running(name)) == {"one": mac}
        await vms.until_held(mac, f"VirtualMachine {vms.namespace}/{name}")
    await collisions(dict.fromkeys(macs.values(), 0))
    refused = await vms.create(machine("pool-3", nic("one", macs["pool-0"]), metadata=owned), dry_run=True)
    assert f"is in use by VirtualMachine {vms.namespace}/pool-0" in refused.message
    assert not kubevirt.refusals


def _labels_only(owner: Document) -> Document:
    forged = launcher_pod(owner)
    del forged["metadata"]["ownerReferences"]
    return forged


def _referring(**changed: Any) -> Callable[[Document], Document]:  # noqa: ANN401 (any field of a reference)
    def forge(owner: Document) -> Document:
        forged = launcher_pod(owner)
        forged["metadata"]["ownerReferences"][0].update(changed)
        return forged

    return forge


FORGERIES = {
    "a label only": _labels_only,
    "another uid": _referring(uid=NOBODY),
    "another kind": _referring(kind="VirtualMachine"),
    "another group": _referring(apiVersion="kubevirt.example/v1"),
    "another name": _referring(name="somebody-else"),
    "no controller": _referring(controller=False),
}


async def test_a_forged_label_or_owner_makes_nobody_family(
    cluster: ClusterClient, vms: Machines, kubevirt: VirtController
) -> None:
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    await vms.until_running("a")
    await vms.until_held(mac, f"VirtualMachine {vms.namespace}/a")
    owner = await vms.get("a", INSTANCES)
    replies = await asyncio.gather(*(cluster.create(vms.namespace, forge(owner)) for forge in FORGERIES.values()))
    for kind, reply in zip(FORGERIES, replies, strict=True):
        assert reply.status == 403, kind
        assert f"mac {mac} is in use by VirtualMachine {vms.namespace}/a" in reply.message, kind
    real = await cluster.create(vms.namespace, launcher_pod(owner), dry_run=True)
    assert real.created
    assert not kubevirt.refusals


async def test_an_instance_with_a_forged_owner_is_nobodys_family_and_its_launcher_pod_is_refused(
    cluster: ClusterClient, vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    made = await vms.made(machine("a", run_strategy="Always"))
    mac = machine_macs(made)["one"]
    await vms.until_running("a")
    await unserve(vms)
    # The garbage collector deletes what has no true owner; with this finalizer it stays.
    about = {
        "ownerReferences": [controller_reference(made) | {"uid": NOBODY}],
        "finalizers": [INSTANCE_FINALIZER, "tests.example/keep"],
    }
    forged = await vms.made(instance("forged", instance_spec([nic("one", mac)]), about), INSTANCES)
    refused = await cluster.create(vms.namespace, launcher_pod(forged))
    assert refused.status == 403
    assert f"mac {mac} is in use by VirtualMachine {vms.namespace}/a" in refused.message
    await collisions({mac: 2})
    document(await cluster.request("DELETE", vms.path("forged", INSTANCES)))
    document(await vms.patch("forged", {"metadata": {"finalizers": None}}, INSTANCES))
    await collisions({mac: 0})
    assert set(kubevirt.refusals) <= {f"{vms.namespace}/forged"}


async def test_the_annotation_of_a_launcher_pod_stays_as_it_was_written(
    vms: Machines, kubevirt: VirtController
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), run_strategy="Always")))
    owner = await vms.until_running("a")
    (launcher,) = await vms.launchers("a")
    written = launcher_pod(owner)["metadata"]["annotations"][NETWORKS]
    assert launcher["metadata"]["annotations"][NETWORKS] == written
    assert f'"mac":"{macs["one"]}"' in written
    assert '"cni-args":null' in written
    assert not kubevirt.refusals


async def test_a_pod_beside_a_machine_is_refused_its_address_and_so_is_a_machine_that_of_a_pod(
    cluster: ClusterClient, vms: Machines, block: Block
) -> None:
    await vms.made(machine("a", nic("one", block[0])))
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    refused = await cluster.judged(vms.namespace, pod("a", networks))
    assert f"mac {block[0]} is in use by VirtualMachine {vms.namespace}/a" in refused.message
    document(await vms.create(pod("b", f'[{{"name":"one","mac":"{block[1]}"}}]'), PODS))
    await vms.until_held(block[1], f"Pod {vms.namespace}/b")
