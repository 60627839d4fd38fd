"""Machines from the time of the Go implementation, whose early versions added a finalizer to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.machine_manifests import machine, nic
from tests.support.machines import document

if TYPE_CHECKING:
    from tests.support.machines import Machines

OLD: Final = "k8s.v1.cni.cncf.io/kubeMacPool"
CONTROLLERS: Final = "kubevirt.io/virtualMachineControllerFinalize"


async def test_a_machine_with_the_old_finalizer_goes_once_it_is_deleted_and_virt_controller_lets_it_go(
    vms: Machines,
) -> None:
    await vms.made(machine("a", nic("one"), metadata={"finalizers": [CONTROLLERS, OLD]}))
    document(await vms.cluster.request("DELETE", vms.path("a")))
    assert (await vms.get("a"))["metadata"]["finalizers"] == [CONTROLLERS, OLD]
    document(await vms.patch("a", {"metadata": {"finalizers": [OLD]}}))
    assert await vms.find("a") is None


async def test_a_machine_with_the_old_finalizer_that_stays_keeps_it(vms: Machines) -> None:
    await vms.made(machine("a", nic("one"), metadata={"finalizers": [OLD]}))
    changed = document(await vms.patch("a", {"metadata": {"labels": {"changed": "true"}}}))
    assert changed["metadata"]["finalizers"] == [OLD]
    document(await vms.patch("a", {"metadata": {"finalizers": None}}))
