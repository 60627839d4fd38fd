"""VirtualMachineInstances before the webhook: those that stand alone, and those that are made for a machine."""

import pytest
from tests.unit.admission.machines import MAC1, MAC2, UNTOUCHED, Document, Nic, Verdict, machine_review, nic
from tests.unit.admission.machines import read_verdict as read_machine_verdict
from tests.unit.doubles import (
    FIRST,
    KeptMeasures,
    ReservingAtOnce,
    answer_of,
    new_admissions,
    new_allocator,
    new_policies,
)
from tests.unit.election.candidates import LoopClock

from kubemacpool.admission.machines import KnownMachines
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.wire.config import ConflictPolicy
from kubemacpool.wire.review import Answer

VM = Party("VirtualMachine", "default", "vm")
KIND = {"kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachineInstance"}}
PREFIX = "VirtualMachineInstance default/vm: spec.domain.devices.interfaces: "


def instance(*nics: Nic, networks: list[Nic] | None = None, **metadata: object) -> Document:
    """A VirtualMachineInstance whose networks are Multus's unless something else is said."""
    found = [{"name": each["name"], "multus": {}} for each in nics] if networks is None else networks
    spec = {"domain": {"devices": {"interfaces": list(nics)}}, "networks": found}
    return {"metadata": {"name": "vm", **metadata}, "spec": spec}


def of_machine(uid: str = "uid-vm") -> dict[str, list[Nic]]:
    """What virt-controller writes."""
    reference: Nic = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": uid}
    return {"ownerReferences": [{**reference, "controller": True}]}


class Webhook:
    """The service for instances. There is a virtual machine that has the first address."""

    def __init__(self, *, default: ConflictPolicy = ConflictPolicy.REJECT) -> None:
        self.clock = LoopClock()
        self.measures = KeptMeasures()
        self.known = True
        self.looks = 0
        allocator = new_allocator()
        self.ledger = allocator.ledger
        self.reserving = ReservingAtOnce(allocator)
        self.population = Population(self.ledger)
        self.see("VirtualMachine", "vm", FIRST)
        policies = new_policies(default)
        self.admission = new_admissions(
            allocator,
            self.reserving,
            policies,
            families=self.population.families,
            machines=KnownMachines(lambda: self.known, self._look),
            measures=self.measures,
            clock=self.clock,
        ).instances

    def _look(self) -> None:
        self.looks += 1

    def see(
        self, kind: str, name: str, *addresses: int, namespace: str = "default", owner: OwnerReference | None = None
    ) -> None:
        """An object carries these."""
        key = ObjectKey(kind, namespace, name)
        holder = Holder(key, "uid-vm" if kind == "VirtualMachine" else f"uid of {name}", Party(*key), addresses)
        self.population.see(holder, owner, self.clock.now(), 1)

    async def answer(self, document: object, **request: object) -> Answer:
        """The answer as it goes over HTTP."""
        return await answer_of(self.admission, machine_review(document, **KIND, **request))

    async def judge(self, document: object, **request: object) -> Verdict:
        """The verdict."""
        return read_machine_verdict(await self.answer(document, **request), "/spec/domain/devices/interfaces")


async def test_one_that_stands_alone_gets_its_addresses() -> None:
    webhook = Webhook()
    document = instance(nic("red"), nic("blue", "0A:00:00:00:00:01"))
    document["metadata"] = {"name": "other"}
    assert await webhook.judge(document) == Verdict(given={0: MAC2})
    allocation = webhook.ledger.latest_allocation(FIRST + 1)
    assert allocation is not None
    assert allocation.party == Party("VirtualMachineInstance", "default", "other")


async def test_one_that_stands_alone_may_not_have_what_somebody_else_has() -> None:
    webhook = Webhook()
    webhook.see("Pod", "holder", FIRST + 1, namespace="ns1")
    verdict = await webhook.judge(instance(nic("red", MAC2)))
    assert verdict.code == 403
    assert verdict.message.startswith(f'{PREFIX}interface "red": mac {MAC2} is in use by Pod ns1/holder; ')


async def test_one_without_its_network_is_told_where_that_belongs() -> None:
    verdict = await Webhook().judge(instance(nic("red"), networks=[]))
    assert verdict.message == f'{PREFIX}interface "red" has no network of that name in spec.networks; add it'


async def test_one_for_a_machine_carries_what_that_has_without_a_write() -> None:
    webhook = Webhook()
    assert await webhook.judge(instance(nic("red", MAC1), **of_machine())) == UNTOUCHED
    assert webhook.reserving.reserved == []
    allocation = webhook.ledger.latest_allocation(FIRST)
    assert allocation is not None
    assert allocation.party == VM
    assert allocation.awaited == Party("VirtualMachineInstance", "default", "vm")
    assert webhook.measures.admissions == [("allocated", 0.0)]


@pytest.mark.parametrize(
    "nics",
    [
        [nic("red")],
        [nic("red"), nic("red")],
        [nic("red", MAC1), nic("blue", MAC1), nic("green")],
        [nic("red", "zz"), nic("blue", MAC1)],
    ],
)
async def test_one_for_a_machine_is_given_nothing_of_its_own_and_is_not_asked_for_the_machines_faults(
    nics: list[Nic],
) -> None:
    webhook = Webhook()
    assert await webhook.judge(instance(*nics, **of_machine())) == UNTOUCHED
    assert webhook.reserving.reserved == []


async def test_one_for_a_machine_may_not_have_what_neither_has_and_somebody_else_does() -> None:
    webhook = Webhook()
    webhook.see("Pod", "holder", FIRST + 1, namespace="ns1")
    verdict = await webhook.judge(instance(nic("red", MAC1), nic("blue", MAC2), **of_machine()))
    assert verdict.code == 403
    assert verdict.message.startswith(f'{PREFIX}interface "blue": mac {MAC2} is in use by Pod ns1/holder; ')


async def test_where_the_policy_is_warn_it_is_let_in() -> None:
    webhook = Webhook(default=ConflictPolicy.WARN)
    webhook.see("Pod", "holder", FIRST + 1, namespace="ns1")
    verdict = await webhook.judge(instance(nic("blue", MAC2), **of_machine()))
    assert verdict.allowed
    (warning,) = verdict.warnings
    assert warning.startswith(f'kubemacpool: interface "blue": mac {MAC2} is in use by Pod ns1/holder; admitted')


async def test_an_address_on_the_pod_network_is_passed_over() -> None:
    webhook = Webhook()
    pod_network: list[Nic] = [{"name": "red", "pod": {}}]
    owners: list[dict[str, list[Nic]]] = [{}, of_machine()]
    for owner in owners:
        assert await webhook.judge(instance(nic("red", MAC2), networks=pod_network, **owner)) == UNTOUCHED
    assert webhook.ledger.in_flight_count == 0


async def test_one_whose_machine_does_not_show_up_stands_alone() -> None:
    webhook = Webhook()
    document = instance(nic("red"), **of_machine("another uid"))
    assert await webhook.judge(document) == Verdict(given={0: MAC2})


@pytest.mark.parametrize("owner", [{}, of_machine()], ids=["alone", "for a machine"])
async def test_nothing_is_decided_before_all_machines_are_known(owner: dict[str, list[Nic]]) -> None:
    webhook = Webhook()
    webhook.known = False
    answer = await webhook.answer(instance(nic("red", MAC1), **owner))
    assert (answer.status, webhook.looks) == (503, 1)


async def test_a_dry_run_allocations_nothing() -> None:
    webhook = Webhook()
    await webhook.judge(instance(nic("red", MAC1), **of_machine()), dryRun=True)
    assert webhook.ledger.in_flight_count == 0
