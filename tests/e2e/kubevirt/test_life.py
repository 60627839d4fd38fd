"""The life of a virtual machine, from create to delete."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.e2e.kubevirt.machines import INSTANCES, instance_macs, machine_macs
from tests.e2e.kubevirt.manifests import machine, nic, pod_nic

if TYPE_CHECKING:
    from tests.e2e.kubevirt.actor import VirtController
    from tests.e2e.kubevirt.machines import Machines


async def test_the_address_survives_start_restart_and_stop(vms: Machines, kubevirt: VirtController) -> None:
    macs = machine_macs(await vms.made(machine("a", pod_nic(), nic("one"), nic("two"))))
    assert len(set(macs.values())) == 3
    await vms.start("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    await vms.restart("a")
    assert instance_macs(await vms.get("a", INSTANCES)) == macs
    await vms.stop("a")
    assert machine_macs(await vms.get("a")) == macs
    assert not kubevirt.refusals
