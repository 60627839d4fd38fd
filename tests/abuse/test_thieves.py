"""Somebody writes another's address into objects that never come to us: whoever has it is not kept from it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import MERGE, NETWORKS, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import instance_spec, machine, migration, nic
from tests.support.machines import MIGRATIONS, document, machine_macs
from tests.support.telling import collision, until_shared, until_told

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.e2e.kubevirt.conftest import MachinesIn
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

pytestmark = pytest.mark.usefixtures("survivors")

POLICY: Final = "kubemacpool.io/conflict-policy"


async def annotate(cluster: ClusterClient, namespace: str, name: str, *macs: str) -> None:
    """`kubectl annotate --overwrite` in a namespace that is left alone, as soon as that is in force."""
    networks = ",".join(f'{{"name":"net{index}","mac":"{mac}"}}' for index, mac in enumerate(macs))
    change = {"metadata": {"annotations": {NETWORKS: f"[{networks}]"}}}

    async def annotated() -> bool:
        path = f"/api/v1/namespaces/{namespace}/pods/{name}"
        return (await cluster.request("PATCH", path, change, content_type=MERGE)).status == 200

    await eventually(annotated, f"{name} says that it has {macs}")


async def test_a_stopped_machine_starts_and_migrates_whoever_has_written_its_address_into_a_pod(
    cluster: ClusterClient,
    installed: Installed,
    vms: Machines,
    kubevirt: VirtController,
    elsewhere: Elsewhere,
    block: Block,
) -> None:
    victim = machine_macs(await vms.made(machine("victim")))["one"]
    theirs = await elsewhere("thief")
    await cluster.made(theirs, pod("thief", networks=None, scheduled=True))
    await cluster.leave_pods_alone(theirs)
    await annotate(cluster, theirs, "thief", victim, block[0])
    await vms.until_held(block[0], f"Pod {theirs}/thief")  # so we know of the other address as well
    await vms.start("victim")
    assert kubevirt.refusals == {}
    await until_shared(installed, victim, 2)
    message = collision(victim, f"pod/{theirs}/thief", f"vmi/{vms.namespace}/victim")
    await until_told(cluster, message, ("Pod", theirs, "thief"), ("VirtualMachineInstance", vms.namespace, "victim"))
    document(await vms.create(migration("move", "victim"), MIGRATIONS))

    async def moves() -> bool:
        return len(await vms.launchers("victim")) == 2

    await eventually(moves, "the target of a migration is there")
    assert kubevirt.refusals == {}
    reply = await cluster.create(await elsewhere("third"), pod("third", f'[{{"name":"one","mac":"{victim}"}}]'))
    assert reply.status == 403, "it is nobody else's"


async def test_a_stopped_machine_starts_though_one_that_is_being_deleted_has_come_to_its_address(
    vms: Machines, kubevirt: VirtController, machines_in: MachinesIn, block: Block
) -> None:
    """That one is kept by a finalizer of its user's; what is being deleted is let go by us whatever it carries."""
    victim = machine_macs(await vms.made(machine("victim")))["one"]
    theirs = await machines_in("thief")
    await theirs.made(machine("thief", metadata={"finalizers": ["example.com/mine"]}))
    document(await theirs.cluster.request("DELETE", theirs.path("thief")))
    spec = instance_spec([nic("one", victim), nic("two", block[0])])
    document(await theirs.patch("thief", {"spec": {"template": {"spec": spec}}}))
    await vms.until_held(block[0], f"VirtualMachine {theirs.namespace}/thief")  # so we know of the other one as well
    await vms.start("victim")
    assert kubevirt.refusals == {}
    document(await theirs.patch("thief", {"metadata": {"finalizers": None}}))


async def test_what_warn_lets_through_is_nobody_elses_when_its_first_holder_goes_before_it_is_seen(
    cluster: ClusterClient, namespace: str, block: Block, elsewhere: Elsewhere
) -> None:
    """The second is on its way for as long as an admission may be: here it is a pod that never comes."""
    first, other = await elsewhere("first"), await elsewhere("other")
    wanted = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(first, pod("first", wanted))
    await cluster.patch(f"/api/v1/namespaces/{namespace}", {"metadata": {"annotations": {POLICY: "warn"}}})
    never = pod("second", wanted, metadata={"labels": {"refused": "not a label's value!"}})  # once we were asked

    async def warned() -> bool:
        reply = await cluster.create(namespace, pod("second", wanted), dry_run=True)
        return reply.created and f"{first}/first" in "".join(reply.warnings)

    await eventually(warned, "the policy is in force")
    reply = await cluster.create(namespace, never)
    assert (reply.status, len(reply.warnings)) == (422, 1), reply.body
    await cluster.delete(first, "first", force=True)

    async def gone() -> bool:
        reply = await cluster.create(other, pod("third", wanted), dry_run=True)
        return reply.created or f"{first}/first" not in reply.message

    await eventually(gone, "the first holder is gone")
    reply = await cluster.create(other, pod("third", wanted))
    assert f"was allocated to Pod {namespace}/second a moment ago" in reply.message
