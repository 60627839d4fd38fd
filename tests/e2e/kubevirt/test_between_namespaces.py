"""Decentralised migration: a machine on each side, both with the address, for as long as the migration lasts."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.installed import eventually
from tests.support.machine_manifests import machine, migration, nic
from tests.support.machines import (
    INSTANCES,
    MIGRATIONS,
    document,
    instance_macs,
    machine_macs,
    phase_of,
)

if TYPE_CHECKING:
    from tests.e2e.kubevirt.conftest import Collisions, MachinesIn
    from tests.support.machines import Machines
    from tests.support.virt_controller import VirtController

RECEIVER: Final = "WaitAsReceiver"


async def migrate(source: Machines, target: Machines) -> str:
    """Bring a migration to the point where both sides run; gives the address that they share."""
    mac = machine_macs(await source.made(machine("a", run_strategy="Always")))["one"]
    await source.until_running("a")
    await source.until_held(mac, f"VirtualMachine {source.namespace}/a")
    receiver = machine("a", nic("one", mac), run_strategy=RECEIVER)
    refused = await target.create(receiver, dry_run=True)
    assert f"mac {mac} is in use by VirtualMachine {source.namespace}/a" in refused.message
    await target.made(migration("receive", "a", receive="one-id"), MIGRATIONS)
    await source.made(migration("send", "a", send_to="one-id"), MIGRATIONS)

    async def admitted() -> bool:
        return (await target.create(receiver)).created

    await eventually(admitted, "the receiver is admitted, since the migration is known")
    assert instance_macs(await target.until_running("a")) == {"one": mac}
    for side, name in ((source, "send"), (target, "receive")):

        async def under_way(side: Machines = side, name: str = name) -> bool:
            return phase_of(await side.get(name, MIGRATIONS)) == "Running"

        await eventually(under_way, f"migration {name} is under way")
    return mac


async def test_source_and_target_share_the_address_while_the_migration_lasts_and_the_target_keeps_it(
    vms: Machines, kubevirt: VirtController, machines_in: MachinesIn, collisions: Collisions
) -> None:
    target = await machines_in("target")
    mac = await migrate(vms, target)
    await collisions({mac: 0})
    third = await target.create(machine("third", nic("one", mac)), dry_run=True)
    assert f"mac {mac} is in use by " in third.message
    await kubevirt.end_migration(vms.namespace, "send")
    await kubevirt.end_migration(target.namespace, "receive")
    document(await target.patch("a", {"spec": {"runStrategy": "Always"}}))
    await vms.delete("a")
    await target.until_held(mac, f"VirtualMachine {target.namespace}/a")
    await collisions({mac: 0})
    assert instance_macs(await target.get("a", INSTANCES)) == {"one": mac}
    await target.restart("a")
    assert instance_macs(await target.get("a", INSTANCES)) == {"one": mac}
    assert not kubevirt.refusals


async def test_a_migration_that_ends_while_both_sides_run_leaves_a_collision_that_is_reported(
    vms: Machines, kubevirt: VirtController, machines_in: MachinesIn, collisions: Collisions
) -> None:
    target = await machines_in("target")
    mac = await migrate(vms, target)
    await collisions({mac: 0})
    for side, name in ((vms, "send"), (target, "receive")):
        await kubevirt.end_migration(side.namespace, name, "Failed")
    await collisions({mac: 2})
    await target.delete("a")
    await collisions({mac: 0})
    assert not kubevirt.refusals


async def test_migrations_of_another_id_make_nobody_family(
    vms: Machines, kubevirt: VirtController, machines_in: MachinesIn
) -> None:
    target = await machines_in("target")
    mac = machine_macs(await vms.made(machine("a", run_strategy="Always")))["one"]
    await vms.until_running("a")
    await target.made(migration("receive", "a", receive="one-id"), MIGRATIONS)
    await vms.made(migration("send", "a", send_to="another-id"), MIGRATIONS)
    # The same replicas see a migration of one id, which is known when its receiver is admitted.
    other = await machines_in("other")
    await other.made(migration("receive", "a", receive="another-id"), MIGRATIONS)

    async def admitted() -> bool:
        return (await other.create(machine("a", nic("one", mac), run_strategy=RECEIVER), dry_run=True)).created

    await eventually(admitted, "the receiver of the right id would be admitted")
    refused = await target.create(machine("a", nic("one", mac), run_strategy=RECEIVER))
    assert f"mac {mac} is in use by VirtualMachine {vms.namespace}/a" in refused.message
    assert not kubevirt.refusals
