"""The life of a virtual machine, from create to delete: it is the record of its addresses."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.support.installed import ENVIRONMENT
from tests.support.machine_manifests import machine, nic, pod_nic
from tests.support.machines import (
    INSTANCES,
    document,
    instance_macs,
    launcher_macs,
    machine_macs,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.e2e.kubevirt.conftest import Collisions
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController


async def test_interfaces_of_multus_networks_and_masquerade_are_given_addresses_and_others_are_not(
    vms: Machines,
) -> None:
    created = await vms.made(machine("a", pod_nic(), nic("one"), nic("two")))
    macs = machine_macs(created)
    assert list(macs) == ["default", "one", "two"]
    assert len(set(macs.values())) == 3
    assert machine_macs(await vms.get("a")) == macs
    assert machine_macs(await vms.made(machine("b", pod_nic(binding="bridge")))) == {}


async def test_an_address_of_the_users_choice_is_kept_and_refused_to_others_by_the_holders_name(
    vms: Machines, block: Block
) -> None:
    assert machine_macs(await vms.made(machine("a", nic("one", block[7]), nic("two"))))["one"] == block[7]
    await vms.until_held(block[7], f"VirtualMachine {vms.namespace}/a")
    refused = await vms.create(machine("b", nic("two"), nic("one", block[7])))
    assert refused.status == 403
    assert (
        f'VirtualMachine {vms.namespace}/b: spec.template.spec.domain.devices.interfaces: interface "one": '
        f"mac {block[7]} is in use by VirtualMachine {vms.namespace}/a"
    ) in refused.message


async def test_machines_with_generate_name_are_tracked_like_any_other(vms: Machines) -> None:
    made = await asyncio.gather(*(vms.made(machine(generate_name="gen-")) for _ in range(5)))
    assert len({machine_macs(each)["one"] for each in made}) == 5
    for each in made:
        name, mac = each["metadata"]["name"], machine_macs(each)["one"]
        await vms.until_held(mac, f"VirtualMachine {vms.namespace}/{name}")
        await vms.delete(name)
        await vms.until_free(mac)


async def test_a_dry_run_consumes_nothing(vms: Machines, block: Block, use_range: UseRange) -> None:
    await use_range(block[0], block[0])
    for _ in range(2):
        assert machine_macs(document(await vms.create(machine("a"), dry_run=True))) == {"one": block[0]}
    assert machine_macs(await vms.made(machine("a"))) == {"one": block[0]}


async def test_instance_and_launcher_pod_carry_the_machines_addresses_and_that_is_no_collision(
    vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    macs = machine_macs(await vms.made(machine("a", pod_nic(), nic("one"), nic("two"), run_strategy="Always")))
    assert instance_macs(await vms.until_running("a")) == macs
    (pod,) = await vms.launchers("a")
    assert launcher_macs(pod) == [macs["one"], macs["two"]]
    await vms.until_held(macs["one"], f"VirtualMachine {vms.namespace}/a")
    await collisions(dict.fromkeys(macs.values(), 0))
    assert not kubevirt.refusals


async def test_the_addresses_survive_start_restart_and_stop(vms: Machines, kubevirt: VirtController) -> None:
    macs = machine_macs(await vms.made(machine("a", pod_nic(), nic("one"), nic("two"))))
    await vms.start("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    await vms.restart("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    await vms.stop("a")
    assert machine_macs(await vms.get("a")) == macs
    await vms.until_held(macs["two"], f"VirtualMachine {vms.namespace}/a")
    await vms.start("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    assert not kubevirt.refusals


async def test_the_addresses_of_a_deleted_machine_are_given_again_once_they_have_cooled_down(
    vms: Machines, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[1])
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"))))
    assert set(macs.values()) == {block[0], block[1]}
    began = time.monotonic()
    await vms.delete("a")
    while not (reply := await vms.create(machine("b", nic("one"), nic("two")))).created:
        assert "is exhausted: 2 needed, 0 free of 2" in reply.message
        await asyncio.sleep(0.05)
    assert time.monotonic() - began >= float(ENVIRONMENT["KUBEMACPOOL_COOL_DOWN"])
    assert set(machine_macs(document(reply)).values()) == {block[0], block[1]}


@pytest.mark.parametrize("policy", ["Background", "Foreground"])
async def test_a_machine_that_is_deleted_while_it_runs_takes_all_along_and_frees_its_address(
    vms: Machines, kubevirt: VirtController, policy: str
) -> None:
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    await vms.until_running("a")
    await vms.delete("a", policy)
    await vms.until_stopped("a")
    await vms.until_free(mac)
    assert not kubevirt.refusals


async def test_an_orphaned_instance_keeps_its_address_and_nobody_else_gets_it(
    vms: Machines, kubevirt: VirtController, collisions: Collisions
) -> None:
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    before = await vms.until_running("a")
    await vms.delete("a", "Orphan")
    orphan = await vms.get("a", INSTANCES)
    assert orphan["metadata"]["uid"] == before["metadata"]["uid"]
    assert "ownerReferences" not in orphan["metadata"]
    assert instance_macs(orphan) == {"one": mac}
    await vms.until_held(mac, f"VirtualMachineInstance {vms.namespace}/a")
    await collisions({mac: 0})
    await vms.delete("a", plural=INSTANCES)
    await vms.until_free(mac)
    assert not kubevirt.refusals


@pytest.mark.usefixtures("kubevirt")
async def test_a_machine_is_made_anew_over_its_orphaned_instance_with_the_address_that_it_has(vms: Machines) -> None:
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    await vms.until_running("a")
    await vms.delete("a", "Orphan")
    refused = await vms.create(machine("b", nic("one", mac)))
    assert f"mac {mac} is in use by VirtualMachineInstance {vms.namespace}/a" in refused.message
    assert machine_macs(await vms.made(machine("a", nic("one", mac)))) == {"one": mac}


async def test_a_machine_created_again_at_once_under_its_name_has_its_addresses(vms: Machines, block: Block) -> None:
    wanted = machine("a", nic("one", block[0]), nic("two", block[1]))
    await vms.made(wanted)
    for _ in range(20):
        await vms.delete("a")
        assert machine_macs(await vms.made(wanted)) == {"one": block[0], "two": block[1]}
    await vms.until_held(block[1], f"VirtualMachine {vms.namespace}/a")


async def test_a_running_machine_that_is_deleted_and_created_again_runs_with_its_addresses(
    vms: Machines, kubevirt: VirtController, block: Block
) -> None:
    wanted = machine("a", nic("one", block[0]), nic("two", block[1]), run_strategy="Always")
    for _ in range(3):
        assert machine_macs(await vms.made(wanted)) == {"one": block[0], "two": block[1]}
        assert instance_macs(await vms.until_running("a")) == {"one": block[0], "two": block[1]}
        await vms.delete("a")
    assert not kubevirt.refusals
