"""What is none of our business: updates without interfaces, what is being deleted, annotations of others."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.support.machine_manifests import Document, machine, networks_of, nic, pod_nic
from tests.support.machines import document, machine_macs

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Block
    from tests.support.installed import Installed
    from tests.support.machines import Machines

COUNTED: Final = "kubemacpool_admission_duration_seconds_count{"
TIMESTAMP: Final = "kubemacpool.io/transaction-timestamp"
OLD_FINALIZER: Final = "k8s.v1.cni.cncf.io/kubeMacPool"


async def reviews(installed: Installed) -> float:
    """How many reviews all replicas have answered, whatever the answer."""
    shown = [await installed.figures(replica) for replica in installed.replicas]
    return sum(value for figures in shown for name, value in figures.items() if name.startswith(COUNTED))


@pytest.mark.parametrize("arguments", [(), ("--server-side",)], ids=["client side", "server side"])
async def test_the_same_manifest_applied_twice_changes_nothing(
    vms: Machines, installed: Installed, tmp_path: Path, arguments: tuple[str, ...]
) -> None:
    manifest = tmp_path / "vm.json"
    manifest.write_bytes(msgspec.json.encode(machine("a", pod_nic(), nic("one"))))
    stored: list[Document] = []
    for _ in range(3):
        await asyncio.to_thread(
            installed.control_plane.kubectl, "apply", *arguments, "-n", vms.namespace, "-f", str(manifest)
        )
        stored.append(await vms.get("a"))
    first, *others = stored
    assert len(machine_macs(first)) == 2
    assert others == [first, first]
    assert TIMESTAMP not in first["metadata"].get("annotations", {})


async def test_an_existing_transaction_timestamp_is_left_alone(vms: Machines) -> None:
    annotations = {TIMESTAMP: "2021-01-01T00:00:00Z"}
    made = await vms.made(machine("a", metadata={"annotations": annotations}))
    assert made["metadata"]["annotations"] == annotations
    await vms.made(machine("b"))
    spec = machine("a", nic("one"), nic("two"))["spec"]
    changed = document(await vms.patch("a", {"spec": spec}))
    assert len(machine_macs(changed)) == 2
    assert changed["metadata"]["annotations"] == annotations


async def test_a_machine_that_is_being_deleted_is_never_blocked(
    vms: Machines, installed: Installed, block: Block
) -> None:
    await vms.made(machine("holder", nic("one", block[0])))
    await vms.made(machine("a", metadata={"finalizers": ["tests.example/keep"]}))
    document(await vms.cluster.request("DELETE", vms.path("a")))
    before = await reviews(installed)
    spec = machine("a", nic("one", block[0]), nic("one", "nonsense"), networks=[])["spec"]
    document(await vms.patch("a", {"spec": spec}))
    document(await vms.patch("a", {"metadata": {"finalizers": None}}))
    await vms.until_gone("a")
    assert await reviews(installed) == before
    await vms.until_held(block[0], f"VirtualMachine {vms.namespace}/holder")


async def test_a_machine_with_the_old_finalizer_is_changed_like_any_other_and_goes_when_it_is_taken_away(
    vms: Machines,
) -> None:
    made = await vms.made(machine("a", metadata={"finalizers": [OLD_FINALIZER, "tests.example/keep"]}))
    document(await vms.patch("a", {"spec": {"runStrategy": "Always"}}))
    changed = document(await vms.patch("a", {"spec": machine("a", nic("one"), nic("two"))["spec"]}))
    assert machine_macs(changed)["one"] == machine_macs(made)["one"]
    document(await vms.cluster.request("DELETE", vms.path("a")))
    document(await vms.patch("a", {"metadata": {"labels": {"still": "there"}}}))
    document(await vms.patch("a", {"metadata": {"finalizers": None}}))
    await vms.until_gone("a")
    await vms.until_free(machine_macs(changed)["two"])


async def test_an_update_that_leaves_the_interfaces_alone_does_not_come_to_us(
    vms: Machines, installed: Installed
) -> None:
    made = await vms.made(machine("a", nic("one"), nic("two")))
    before = await reviews(installed)
    template = {"spec": {"domain": {"devices": {"disks": []}, "cpu": {"cores": 2}}, "hostname": "a"}}
    for body in (
        {"metadata": {"labels": {"a": "label"}, "annotations": {"an": "annotation"}}},
        {"metadata": {"finalizers": ["tests.example/keep"]}},
        {"metadata": {"finalizers": None}},
        {"spec": {"runStrategy": "Always"}},
        {"spec": {"runStrategy": None, "running": False}},
        {"spec": {"template": {"metadata": {"labels": {"a": "label"}}}}},
        {"spec": {"template": template}},
    ):
        document(await vms.patch("a", body))
    status = {"status": {"ready": True, "stateChangeRequests": [{"action": "Start"}]}}
    document(await vms.patch("a/status", status))
    changed = document(await vms.cluster.request("PUT", vms.path("a"), await vms.get("a")))
    assert machine_macs(changed) == machine_macs(made)
    assert int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    assert await reviews(installed) == before
    # An interface more does, and so does a network of another name.
    nics = [nic("one"), nic("two"), nic("three")]
    document(await vms.patch("a", {"spec": machine("a", *nics)["spec"]}))
    assert await reviews(installed) == before + 1
    networks = networks_of(nics)
    networks[0]["multus"]["networkName"] = "another"
    document(await vms.patch("a", {"spec": {"template": {"spec": {"networks": networks}}}}))
    assert await reviews(installed) == before + 2


async def test_a_machine_without_interfaces_does_not_come_to_us(vms: Machines, installed: Installed) -> None:
    before = await reviews(installed)
    manifest = machine("a")
    del manifest["spec"]["template"]["spec"]["domain"]["devices"]
    await vms.made(manifest)
    document(await vms.patch("a", {"spec": {"runStrategy": "Always"}}))
    await vms.delete("a")
    assert await reviews(installed) == before
