"""VirtualMachineInstances that somebody creates directly, and those that are made for a machine."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import pod
from tests.support.machine_manifests import controller_reference, instance, instance_spec, machine, nic, pod_nic
from tests.support.machines import INSTANCES, document, instance_macs, machine_macs

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.e2e.kubevirt.conftest import Collisions, MachinesIn
    from tests.support.cluster_client import ClusterClient
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

pytestmark = pytest.mark.usefixtures("survivors")


async def test_an_instance_that_stands_alone_gets_its_addresses(vms: Machines, kubevirt: VirtController) -> None:
    asked = instance(
        "alone", instance_spec([nic("one"), nic("two"), pod_nic(), pod_nic(binding="bridge") | {"name": "x"}])
    )
    asked["spec"]["networks"][3] = {"name": "x", "pod": {}}
    dry = document(await vms.create(asked, INSTANCES, dry_run=True))
    made = await vms.made(asked, INSTANCES)
    macs = instance_macs(made)
    assert set(macs) == set(instance_macs(dry)) == {"one", "two", "default"}
    assert len({*macs.values()}) == 3
    for mac in macs.values():
        await vms.until_held(mac, f"VirtualMachineInstance {vms.namespace}/alone")
    await vms.until_running("alone")
    assert not kubevirt.refusals


async def test_an_instance_that_stands_alone_cannot_take_what_a_stopped_machine_has(
    vms: Machines, kubevirt: VirtController, machines_in: MachinesIn
) -> None:
    mac = machine_macs(await vms.made(machine("victim", nic())))["one"]
    await vms.until_held(mac, f"VirtualMachine {vms.namespace}/victim")
    tenant = await machines_in("tenant")
    refused = await tenant.create(instance("thief", instance_spec([nic(mac=mac)])), INSTANCES)
    assert refused.status == 403
    field = "spec.domain.devices.interfaces"
    assert f'thief: {field}: interface "one": mac {mac} is in use by VirtualMachine {vms.namespace}/victim' in (
        refused.message
    )
    await vms.start("victim")
    assert not kubevirt.refusals


async def test_who_only_says_that_it_belongs_to_a_machine_stands_alone(
    cluster: ClusterClient, vms: Machines, elsewhere: Elsewhere
) -> None:
    owner = await vms.made(machine("owner", nic()))
    mac = machine_macs(owner)["one"]
    await vms.until_held(mac, f"VirtualMachine {vms.namespace}/owner")
    tenant = await elsewhere("tenant")
    forged = {"ownerReferences": [controller_reference(owner)], "namespace": tenant}
    path = f"/apis/kubevirt.io/v1/namespaces/{tenant}/virtualmachineinstances"
    refused = await cluster.request("POST", path, instance("forged", instance_spec([nic(mac=mac)]), forged))
    assert refused.status == 403
    assert f"is in use by VirtualMachine {vms.namespace}/owner" in refused.message


async def test_a_fault_in_an_instance_is_told_as_in_a_machine(vms: Machines, block: Block) -> None:
    for nics, told in {
        (("one", "zz"),): "is not a MAC address",
        (("one", block[0]), ("two", block[0])): "duplicate MAC address",
        (("one", "01:00:00:00:00:00"),): "a multicast address",
    }.items():
        refused = await vms.create(instance("a", instance_spec([nic(*each) for each in nics])), INSTANCES)
        assert refused.status == 400
        assert told in refused.message


async def test_the_instance_of_a_machine_starts_with_the_machines_addresses_and_is_no_collision(
    cluster: ClusterClient, vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"), run_strategy="Always")))
    await vms.until_running("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    await collisions(dict.fromkeys(macs.values(), 0))
    refused = await cluster.judged(vms.namespace, pod("p", f'[{{"name":"n","mac":"{macs["one"]}"}}]'))
    assert f"is in use by VirtualMachine {vms.namespace}/a" in refused.message
    await vms.restart("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    assert not kubevirt.refusals
