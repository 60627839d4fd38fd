"""Interfaces that come, go and change; and those that cannot be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.installed import eventually
from tests.support.machine_manifests import Document, machine, networks_of, nic
from tests.support.machines import (
    INSTANCES,
    document,
    instance_macs,
    launcher_macs,
    machine_macs,
    machine_nics,
)

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

WHERE = "spec.template.spec.domain.devices.interfaces"


def with_nics(*nics: Document) -> Document:
    """A merge patch that gives a machine these interfaces and their networks."""
    spec = {"domain": {"devices": {"interfaces": list(nics)}}, "networks": networks_of(nics)}
    return {"spec": {"template": {"spec": spec}}}


async def until_plugged(vms: Machines, name: str, macs: dict[str, str]) -> None:
    """Wait until the running instance and its launcher pod have these addresses and no other."""

    async def plugged() -> bool:
        instance = instance_macs(await vms.get(name, INSTANCES))
        pods = [launcher_macs(pod) for pod in await vms.launchers(name)]
        return instance == macs and pods == [list(macs.values())]

    await eventually(plugged, f"{name} runs with {macs}")


async def test_an_interface_that_is_plugged_in_is_given_an_address_and_the_others_keep_theirs(
    vms: Machines, kubevirt: VirtController
) -> None:
    before = machine_macs(await vms.made(machine("a", nic("one"), run_strategy="Always")))
    await vms.until_running("a")
    await until_plugged(vms, "a", before)
    after = machine_macs(document(await vms.patch("a", with_nics(nic("one"), nic("two")))))
    assert list(after) == ["one", "two"]
    assert after["one"] == before["one"] != after["two"]
    await until_plugged(vms, "a", after)
    await vms.until_held(after["two"], f"VirtualMachine {vms.namespace}/a")
    await vms.restart("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == after
    assert not kubevirt.refusals


async def test_the_address_of_an_interface_that_is_unplugged_is_free_once_it_is_gone(
    vms: Machines, kubevirt: VirtController
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"), run_strategy="Always")))
    await vms.until_running("a")
    await until_plugged(vms, "a", macs)
    absent = nic("two", macs["two"]) | {"state": "absent"}
    document(await vms.patch("a", with_nics(nic("one", macs["one"]), absent)))
    await until_plugged(vms, "a", {"one": macs["one"]})
    await vms.until_free(macs["two"])
    assert machine_macs(await vms.get("a")) == {"one": macs["one"]}
    await vms.until_held(macs["one"], f"VirtualMachine {vms.namespace}/a")
    assert not kubevirt.refusals


async def test_an_interface_taken_from_the_template_holds_its_address_for_as_long_as_the_instance_has_it(
    vms: Machines, kubevirt: VirtController
) -> None:
    macs = machine_macs(await vms.made(machine("a", nic("one"), nic("two"), run_strategy="Always")))
    await vms.until_running("a")
    document(await vms.patch("a", with_nics(nic("one", macs["one"]))))
    assert machine_macs(await vms.get("a")) == {"one": macs["one"]}
    assert instance_macs(await vms.get("a", INSTANCES)) == macs  # until it is restarted
    await vms.until_held(macs["two"], f"VirtualMachine {vms.namespace}/a")
    await vms.restart("a")
    await vms.until_free(macs["two"])
    assert not kubevirt.refusals


async def test_an_address_that_the_user_changes_is_taken_and_the_one_before_is_free(
    vms: Machines, block: Block
) -> None:
    await vms.made(machine("a", nic("one", block[0]), nic("two", block[1])))
    changed = document(await vms.patch("a", with_nics(nic("one", block[2]), nic("two", block[1]))))
    assert machine_macs(changed) == {"one": block[2], "two": block[1]}
    await vms.until_held(block[2], f"VirtualMachine {vms.namespace}/a")
    await vms.until_free(block[0])


async def test_two_interfaces_may_exchange_their_addresses(vms: Machines, block: Block) -> None:
    await vms.made(machine("a", nic("one", block[0]), nic("two", block[1])))
    changed = document(await vms.patch("a", with_nics(nic("one", block[1]), nic("two", block[0]))))
    assert machine_macs(changed) == {"one": block[1], "two": block[0]}


async def test_a_running_machine_has_both_addresses_until_it_is_restarted(
    vms: Machines, kubevirt: VirtController, block: Block
) -> None:
    await vms.made(machine("a", nic("one", block[0]), run_strategy="Always"))
    await vms.until_running("a")
    document(await vms.patch("a", with_nics(nic("one", block[1]))))
    assert instance_macs(await vms.get("a", INSTANCES)) == {"one": block[0]}
    for mac in (block[0], block[1]):
        await vms.until_held(mac, f"VirtualMachine {vms.namespace}/a")
    await vms.restart("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == {"one": block[1]}
    await vms.until_free(block[0])
    assert not kubevirt.refusals


async def test_a_change_to_an_address_of_somebody_else_is_refused_and_changes_nothing(
    vms: Machines, block: Block
) -> None:
    await vms.made(machine("holder", nic("one", block[0])))
    await vms.until_held(block[0], f"VirtualMachine {vms.namespace}/holder")
    before = await vms.made(machine("a", nic("one", block[1])))
    refused = await vms.patch("a", with_nics(nic("one", block[0])))
    assert refused.status == 403
    assert f"mac {block[0]} is in use by VirtualMachine {vms.namespace}/holder" in refused.message
    assert (await vms.get("a"))["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_an_address_that_the_user_removes_comes_back(vms: Machines) -> None:
    before = await vms.made(machine("a", nic("one"), nic("two")))

    def remove(found: Document) -> None:
        for each in machine_nics(found):
            del each["macAddress"]

    after = document(await vms.change("a", remove))
    assert machine_macs(after) == machine_macs(before)
    assert after["metadata"]["resourceVersion"] == before["metadata"]["resourceVersion"]


async def test_an_interface_that_is_moved_within_the_list_keeps_its_address(vms: Machines) -> None:
    before = machine_macs(await vms.made(machine("a", nic("one"), nic("two"))))
    after = machine_macs(document(await vms.patch("a", with_nics(nic("zero"), nic("two"), nic("one")))))
    assert (after["one"], after["two"]) == (before["one"], before["two"])
    assert after["zero"] not in before.values()


async def test_two_interfaces_with_the_same_address_are_refused_by_name(vms: Machines, block: Block) -> None:
    spelled = block[0].upper().replace(":", "-")
    refused = await vms.create(machine("a", nic("one", block[0]), nic("two", spelled)))
    assert refused.status == 400
    assert (
        f'VirtualMachine {vms.namespace}/a: {WHERE}: interface "two": mac {block[0]} is that of interface "one" too'
    ) in refused.message


async def test_two_interfaces_with_the_same_name_are_refused_by_name(vms: Machines) -> None:
    refused = await vms.create(
        machine("a", nic("one"), nic("two"), nic("one"), networks=networks_of([nic("one"), nic("two")]))
    )
    assert refused.status == 400
    assert f'VirtualMachine {vms.namespace}/a: {WHERE}: interface "one" is there twice' in refused.message


async def test_an_interface_without_its_network_is_refused_by_name(vms: Machines) -> None:
    manifest = machine("a", nic("one"), nic("two"), networks=networks_of([nic("one")]))
    refused = await vms.create(manifest)
    assert refused.status == 400
    assert (
        f'VirtualMachine {vms.namespace}/a: {WHERE}: interface "two" has no network of that name in '
        "spec.template.spec.networks"
    ) in refused.message
    await vms.made(machine("a", nic("one")))
    assert (await vms.patch("a", {"spec": manifest["spec"]})).status == 400
