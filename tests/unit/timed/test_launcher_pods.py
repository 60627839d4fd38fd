"""Launcher pods: part of their virtual machine, if what they say of their owner is true."""

import asyncio
import json
from typing import Any

import pytest
from structlog.testing import capture_logs
from tests.unit.admission.pods import MAC1, MAC2, UNTOUCHED, Webhook, read_verdict
from tests.unit.doubles import FIRST, pod_review
from tests.unit.election.candidates import LoopClock

from kubemacpool.admission.owners import PATIENCE, PAUSE
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.networks import NETWORKS_ANNOTATION

VM = Party("VirtualMachine", "default", "vm")
PREFIX = "Pod default/virt-launcher-vm-*: annotation k8s.v1.cni.cncf.io/networks: "
ONE = f'[{{"name":"red","mac":"{MAC1}"}}]'


def owner(*, uid: str = "uid-vmi", **fields: object) -> dict[str, object]:
    """A pod's reference to its instance."""
    reference = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachineInstance", "name": "vm", "uid": uid}
    return {"generateName": "virt-launcher-vm-", "ownerReferences": [{**reference, "controller": True, **fields}]}


class Cluster(Webhook):
    """A virtual machine that runs and has the first address, before the webhook."""

    def __init__(
        self, *addresses: int, default: ConflictPolicy = ConflictPolicy.REJECT, pod_network: bool = False
    ) -> None:
        super().__init__(default=default, clock=LoopClock(), pod_network=pod_network)
        self.see("VirtualMachine", "vm", "uid-vm", addresses or (FIRST,))
        to_machine = OwnerReference("VirtualMachine", "vm", "uid-vm")
        self.see("VirtualMachineInstance", "vm", "uid-vmi", addresses or (FIRST,), to_machine)

    def see(
        self, kind: str, name: str, uid: str, addresses: tuple[int, ...], controller: OwnerReference | None = None
    ) -> None:
        """An object carries these."""
        key = ObjectKey(kind, "default", name)
        self.population.see(Holder(key, uid, Party(*key), addresses), controller, self.clock.now(), 1)


async def test_a_launcher_pod_carries_what_its_machine_does_without_a_write() -> None:
    cluster = Cluster()
    assert await cluster.judge(ONE, **owner()) == UNTOUCHED
    assert cluster.reserving.reserved == []
    allocation = cluster.ledger.latest_allocation(FIRST)
    assert allocation is not None
    assert allocation.party == VM
    assert allocation.awaited == Party("Pod", "default", "", "virt-launcher-vm-", "r1")
    assert cluster.measures.admissions == [("allocated", 0.0)]


async def test_a_launcher_pod_is_given_nothing_of_its_own() -> None:
    cluster = Cluster()
    assert await cluster.judge('[{"name":"blue"}]', **owner()) == UNTOUCHED
    assert await cluster.judge(f'[{{"name":"blue"}},{{"name":"red","mac":"{MAC1}"}}]', **owner()) == UNTOUCHED
    assert cluster.ledger.in_flight_count == 1
    assert cluster.measures.admissions == [("untouched", 0.0), ("allocated", 0.0)]


async def test_source_and_target_of_a_live_migration_carry_the_same() -> None:
    cluster = Cluster()
    to_instance = OwnerReference("VirtualMachineInstance", "vm", "uid-vmi")
    cluster.see("Pod", "virt-launcher-vm-source", "uid-source", (FIRST,), to_instance)
    assert await cluster.judge(ONE, **owner()) == UNTOUCHED


async def test_an_address_that_the_machine_is_about_to_have_is_named_first() -> None:
    """An interface is plugged in: the pod for it may be seen before the machine is."""
    cluster = Cluster()
    assert await cluster.judge(f'[{{"name":"blue","mac":"{MAC2}"}}]', **owner()) == UNTOUCHED
    assert cluster.reserving.reserved == [((FIRST + 1,), 0)]


async def test_a_dry_run_changes_nothing() -> None:
    cluster = Cluster()
    assert await cluster.judge(ONE, dry_run=True, **owner()) == UNTOUCHED
    assert cluster.ledger.in_flight_count == 0


async def test_an_address_of_somebody_else_is_refused_to_a_launcher_pod_too() -> None:
    cluster = Cluster()
    cluster.hold("holder", FIRST + 1)
    networks = f'[{{"name":"blue"}},{{"name":"red","mac":"{MAC1}"}},{{"name":"x","mac":"{MAC2}"}}]'
    verdict = await cluster.judge(networks, **owner())
    assert (verdict.code, verdict.reason) == (403, "Forbidden")
    assert verdict.message.startswith(f'{PREFIX}entry 2 ("x"): mac {MAC2} is in use by Pod ns1/holder; ')
    assert cluster.ledger.in_flight_count == 0


async def test_where_the_policy_is_warn_it_is_let_in_and_the_collision_is_told() -> None:
    cluster = Cluster(default=ConflictPolicy.WARN)
    cluster.hold("holder", FIRST + 1)
    verdict = await cluster.judge(f'[{{"name":"red","mac":"{MAC2}"}}]', **owner())
    assert verdict == UNTOUCHED._replace(
        warnings=[
            (
                f'kubemacpool: entry 0 ("red"): mac {MAC2} is in use by Pod ns1/holder; admitted, '
                "because the conflict policy is warn"
            )
        ]
    )


async def test_a_launcher_pod_is_never_sticky() -> None:
    annotations = {"kubemacpool.io/sticky": "perhaps"}
    assert await Cluster().judge(ONE, annotations=annotations, **owner()) == UNTOUCHED


async def test_an_allocation_is_logged_with_the_family() -> None:
    with capture_logs() as logs:
        await Cluster().judge(ONE, **owner())
    assert logs == [
        {
            "event": "allocated",
            "log_level": "debug",
            "object": "Pod default/virt-launcher-vm-*",
            "family": "VirtualMachine default/vm",
            "addresses": [MAC1],
            "dry_run": False,
        }
    ]


FORGED: dict[str, dict[str, Any]] = {
    "another uid": owner(uid="uid-of-nobody"),
    "another name": owner(name="other"),
    "another kind": owner(kind="VirtualMachine"),
    "another group": owner(apiVersion="example.org/v1"),
    "not its controller": owner(controller=False),
    "a label only": {"name": "a", "labels": {"kubevirt.io": "virt-launcher", "vm.kubevirt.io/name": "vm"}},
}


@pytest.mark.parametrize("metadata", FORGED.values(), ids=FORGED)
async def test_a_forged_owner_makes_nobody_family(metadata: dict[str, Any]) -> None:
    cluster = Cluster()
    refused = await cluster.judge(ONE, **metadata)
    assert refused.code == 403
    assert f"mac {MAC1} is in use by VirtualMachine default/vm" in refused.message
    given = await cluster.judge('[{"name":"red"}]', **metadata)
    assert given.networks == f'[{{"name":"red","namespace":"default","mac":"{MAC2}"}}]'


async def test_an_instance_of_the_same_name_in_another_namespace_is_not_the_owner() -> None:
    cluster = Webhook(clock=LoopClock())
    key = ObjectKey("VirtualMachineInstance", "ns1", "vm")
    cluster.population.see(Holder(key, "uid-vmi", Party(*key), (FIRST,)), None, cluster.clock.now(), 1)
    assert (await cluster.judge(ONE, **owner())).code == 403


async def test_an_owner_that_is_seen_a_moment_later_is_waited_for() -> None:
    """The API server asks about the pod before our watch has told of the instance that it was made for."""
    cluster = Webhook(clock=LoopClock())
    asked = asyncio.create_task(cluster.judge(ONE, **owner()))
    await asyncio.sleep(PATIENCE - 2 * PAUSE)
    assert not asked.done()
    key = ObjectKey("VirtualMachineInstance", "default", "vm")
    cluster.population.see(Holder(key, "uid-vmi", Party(*key), (FIRST,)), None, cluster.clock.now(), 1)
    assert await asked == UNTOUCHED


async def test_an_instance_that_is_seen_before_its_machine_does_not_have_its_pod_refused() -> None:
    """The two are followed by a watch each, and the machine's address is only allocated for so long."""
    cluster = Webhook(clock=LoopClock())
    cluster.ledger.allocate(FIRST, VM, cluster.clock.now())
    to_machine = OwnerReference("VirtualMachine", "vm", "uid-vm")
    instance = Holder(ObjectKey("VirtualMachineInstance", "default", "vm"), "uid-vmi", VM, (FIRST,))
    cluster.population.see(instance, to_machine, cluster.clock.now(), 1)
    asked = asyncio.create_task(cluster.judge(ONE, **owner()))
    await asyncio.sleep(PATIENCE - 2 * PAUSE)
    assert not asked.done()
    machine = Holder(ObjectKey("VirtualMachine", "default", "vm"), "uid-vm", VM, (FIRST,))
    cluster.population.see(machine, None, cluster.clock.now(), 1)
    assert await asked == UNTOUCHED


async def test_a_pod_whose_owner_never_comes_is_on_its_own_after_a_while() -> None:
    cluster = Webhook(clock=LoopClock())
    began = asyncio.get_running_loop().time()
    verdict = await cluster.judge('[{"name":"red"}]', **owner())
    assert verdict.networks == f'[{{"name":"red","namespace":"default","mac":"{MAC1}"}}]'
    assert PATIENCE <= asyncio.get_running_loop().time() - began <= PATIENCE + PAUSE


async def test_a_pod_without_an_owner_waits_for_nobody() -> None:
    cluster = Cluster()
    began = asyncio.get_running_loop().time()
    assert (await cluster.judge('[{"name":"red"}]')).allowed
    assert asyncio.get_running_loop().time() == began


async def test_the_annotation_of_a_launcher_pod_is_judged_before_anybody_waits_for_its_owner() -> None:
    cluster = Webhook(clock=LoopClock())
    verdict = await cluster.judge('[{"mac":"nonsense"}]', **owner())
    assert verdict.code == 400


@pytest.mark.parametrize("pod_network", [False, True])
async def test_the_default_network_of_a_launcher_pod_is_judged_where_the_pod_network_is_served(
    *, pod_network: bool
) -> None:
    cluster = Cluster(pod_network=pod_network)
    cluster.hold("holder", FIRST + 1)
    default = {"v1.multus-cni.io/default-network": f'[{{"name":"default","mac":"{MAC2}"}}]'}
    verdict = await cluster.judge(ONE, annotations=default, **owner())
    assert verdict.allowed != pod_network
    assert (f"mac {MAC2} is in use by Pod ns1/holder" in verdict.message) == pod_network
    assert (await cluster.judge(None, annotations=default, **owner())).allowed != pod_network


async def test_a_launcher_pod_whose_machine_gets_an_interface_is_changed_without_a_write() -> None:
    """KubeVirt plugs it in by the annotation, where the address is the machine's."""
    cluster = Cluster(FIRST, FIRST + 1)
    body = json.loads(pod_review(f'[{ONE[1:-1]},{{"name":"blue","mac":"{MAC2}"}},{{"name":"bare"}}]'))
    metadata = body["request"]["object"]["metadata"]
    del metadata["name"]
    metadata |= owner()
    body["request"] |= {"operation": "UPDATE", "oldObject": {"metadata": {"annotations": {NETWORKS_ANNOTATION: ONE}}}}
    assert read_verdict(await cluster.answer(json.dumps(body).encode())) == UNTOUCHED
    assert cluster.reserving.reserved == []
    assert cluster.ledger.latest_allocation(FIRST) is None
    allocation = cluster.ledger.latest_allocation(FIRST + 1)
    assert allocation is not None
    assert allocation.party == VM
