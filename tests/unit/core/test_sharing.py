"""Addresses that several parties have: each keeps it, and what a policy lets through is on record (rules 2 and 12)."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster, machine
from tests.unit.core.subjects import (
    BOUND,
    allocator,
    at,
    decide,
    holder,
    key,
    ledger,
    numbers,
    pod,
    refusals,
    unreserved,
)
from tests.unit.core.subjects import request as asking

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, Allocated, Fault, InDoubt, Refusal

THIEF = Party("Pod", "elsewhere", "thief")


def admit(of: Allocator, party: Party, number: int, now: float = 10.0) -> None:
    """What the policy `warn` asks for."""
    asked = AddressRequest(party, (at(number),), shared=frozenset({at(number)}))
    assert decide(of, asked, now) == Allocated((at(number),))


# Whoever has an address


def test_a_machine_has_its_address_whoever_has_come_to_carry_it() -> None:
    """The machine is changed, and its launcher pods are created; that is a collision, and is reported as one."""
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.see("VirtualMachineInstance", "vm", 1)
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    assert cluster.ask(machine(), 1) == Allocated((at(1),))
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    assert cluster.ledger.collisions() == {at(1): 2}


def test_a_machine_has_its_address_while_another_machine_that_has_it_is_being_deleted() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.see("VirtualMachine", "deleted", 1, ns="elsewhere")
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))


def test_what_a_party_was_allocated_it_has_though_somebody_is_seen_with_it_before_its_object_is() -> None:
    subject = allocator()
    assert decide(subject, asking("web", 1), 1.0) == Allocated((at(1),))
    subject.ledger.observe(holder("db", 1), 2.0)
    assert decide(subject, asking("web", 1), 3.0) == Allocated((at(1),))
    assert refusals(subject, asking("app", 1)) == (Refusal(0, at(1), Fault.HELD, pod("db")),)


def test_what_a_party_had_once_it_has_no_more() -> None:
    subject = allocator()
    subject.ledger.observe(holder("web", 1), 1.0)
    subject.ledger.vanish(key("web"), 2.0)
    subject.ledger.observe(holder("db", 1), 3.0)
    assert refusals(subject, asking("web", 1)) == (Refusal(0, at(1), Fault.HELD, pod("db")),)


def test_a_party_that_has_an_address_is_told_to_come_again_while_that_is_in_doubt() -> None:
    """What is seen may be the holder before last."""
    subject = Allocator(ledger())
    for name in ("web", "db"):
        subject.ledger.observe(holder(name, 2), 1.0)
    subject.acquire([at(2)], None, 10.0)
    assert decide(subject, asking("web", 2), 11.0) == InDoubt((at(2),))


def test_a_launcher_pod_is_allocated_nothing_implicitly_that_others_than_its_party_hold() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm")
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    shared = frozenset({at(1)})
    asked = AddressRequest(machine(), (at(1),), dependent=LAUNCHER, shared=shared)
    assert decide(cluster.allocator, asked, 3.0) == Allocated((at(1),))
    assert set(cluster.ledger.unseen()) == shared


def test_what_was_allocated_implicitly_is_named_once_its_party_holds_it_no_more_whoever_else_does() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    assert at(1) not in cluster.allocator.next_update((), 0).reserved
    cluster.gone("VirtualMachine", "vm")
    assert at(1) in cluster.allocator.next_update((), 0).reserved


@pytest.mark.parametrize("before", [True, False], ids=["before the acquisition", "after it"])
def test_what_a_machine_has_left_may_be_on_its_way_to_its_launcher_pods_though_others_carry_it(*, before: bool) -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    if not before:
        cluster.succeed()
    cluster.gone("VirtualMachine", "vm", now=4.0)
    if before:
        cluster.succeed(now=5.0)
    cluster.gone("Pod", "thief", ns="elsewhere", now=6.0)
    assert not cluster.may_have(1, pod("web"))
    cluster.ledger.pass_barrier(5.0 + BOUND)
    assert cluster.may_have(1, pod("web"))


def test_what_may_be_on_its_way_to_a_machine_from_before_is_not_what_it_was_allocated() -> None:
    """Others have been allocated it since the machine was deleted: they have it, and the machine has it no more."""
    cluster = Cluster()
    cluster.machine("vm", 1)
    for kind, name in (("VirtualMachine", "vm"), ("VirtualMachineInstance", "vm"), ("Pod", "virt-launcher-vm-1")):
        cluster.gone(kind, name)
    cluster.see("Pod", "web", 1)
    cluster.succeed()
    assert not cluster.may_have(1, machine())
    assert cluster.may_have(1, pod("web"))


# Whoever came past us to carry what another had


INSTANCE = Party("VirtualMachineInstance", "ns", "vm")


@pytest.mark.parametrize("seen", [True, False], ids=["seen", "on its way"])
@pytest.mark.parametrize("first", [True, False], ids=["instance first", "instance last"])
def test_the_instance_of_a_machine_that_is_gone_has_no_right_to_what_another_was_allocated(
    *, seen: bool, first: bool
) -> None:
    """It is created late perhaps, and seen early perhaps; its launcher pod would be the second that came through us."""
    cluster = Cluster()
    to_machine = OwnerReference("VirtualMachine", "vm", "uid-gone")
    cluster.ask(pod("web"), 1)
    if first:
        cluster.see("VirtualMachineInstance", "vm", 1, owner=to_machine)
    if seen:
        cluster.see("Pod", "web", 1)
    cluster.see("VirtualMachineInstance", "vm", 1, owner=to_machine)
    assert not cluster.may_have(1, INSTANCE)
    assert cluster.ask(pod("web"), 1) == Allocated((at(1),))


def test_neither_has_the_launcher_pod_of_a_machine_that_is_gone() -> None:
    cluster = Cluster()
    cluster.launcher("vm", "1", 1)
    cluster.see("Pod", "web", 1)
    assert not cluster.may_have(1, INSTANCE)


@pytest.mark.parametrize("kind", ["VirtualMachine", "VirtualMachineInstance"])
def test_a_machine_and_an_instance_that_is_on_its_own_have_a_right_to_their_address(kind: str) -> None:
    """They come through us before they run: whoever carried their address before them, past us, did so by luck."""
    cluster = Cluster()
    cluster.see("Pod", "thief", 1)
    cluster.see(kind, "vm", 1)
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))


def test_of_two_pods_the_one_that_came_first_has_a_right_to_the_address() -> None:
    cluster = Cluster()
    for name in ("web", "thief", "other"):
        cluster.see("Pod", name, 1)
    cluster.gone("Pod", "other")
    assert [cluster.may_have(1, pod(name)) for name in ("web", "thief")] == [True, False]


def test_a_latecomer_is_one_until_it_has_the_address_alone() -> None:
    cluster = Cluster()
    for name in ("web", "late"):
        cluster.see("Pod", name, 1)
    cluster.gone("Pod", "web")
    cluster.see("Pod", "thief", 1)
    assert [cluster.may_have(1, pod(name)) for name in ("late", "thief")] == [True, False]


def test_a_latecomer_to_what_was_never_seen_is_one_until_that_has_ended() -> None:
    cluster = Cluster()
    cluster.ask(pod("web"), 1)
    cluster.see("Pod", "late", 1)
    assert not cluster.may_have(1, pod("late"))
    cluster.ledger.pass_barrier(3.0 + BOUND)
    cluster.see("Pod", "thief", 1)
    assert cluster.may_have(1, pod("late"))


def test_a_latecomer_that_has_left_the_address_is_none_when_it_comes_to_it_first() -> None:
    cluster = Cluster()
    for name in ("web", "late", "thief"):
        cluster.see("Pod", name, 1)
    for name in ("late", "web", "thief"):
        cluster.gone("Pod", name)
    for name in ("late", "thief"):
        cluster.see("Pod", name, 1)
    assert [cluster.may_have(1, pod(name)) for name in ("late", "thief")] == [True, False]


def test_whoever_was_allocated_an_address_is_no_latecomer_when_its_object_is_seen_after_anothers() -> None:
    subject = allocator()
    assert decide(subject, asking("web", 1), 1.0) == Allocated((at(1),))
    subject.ledger.observe(holder("thief", 1), 2.0)
    subject.ledger.observe(holder("web", 1), 3.0)
    assert decide(subject, asking("web", 1), 4.0) == Allocated((at(1),))
    assert refusals(subject, asking("thief", 1)) == (Refusal(0, at(1), Fault.HELD, pod("web")),)


def test_what_was_let_through_beside_another_is_asked_for_beside_it_again() -> None:
    """So that whoever asks is told of it each time."""
    subject = allocator()
    subject.ledger.observe(holder("web", 1), 1.0)
    admit(subject, pod("db"), 1)
    assert refusals(subject, asking("db", 1)) == (Refusal(0, at(1), Fault.HELD, pod("web")),)
    subject.ledger.observe(holder("db", 1), 11.0)
    assert refusals(subject, asking("db", 1)) == (Refusal(0, at(1), Fault.HELD, pod("web")),)


# What a policy lets through


def test_what_was_admitted_beside_its_holder_is_nobody_elses_once_that_one_is_gone() -> None:
    subject = allocator()
    subject.ledger.observe(holder("web", 1), 1.0)
    admit(subject, pod("db"), 1)
    subject.ledger.vanish(key("web"), 11.0)
    subject.ledger.end_cooling(11.0 + BOUND)
    assert not subject.ledger.is_free(at(1))
    assert refusals(subject, asking("app", 1)) == (Refusal(0, at(1), Fault.IN_FLIGHT, pod("db")),)
    assert at(1) in subject.last_update().reserved


def test_what_is_admitted_is_named_first_and_what_is_in_doubt_is_not_admitted() -> None:
    subject = Allocator(ledger())
    subject.ledger.observe(holder("web", 1, 2), 1.0)
    subject.acquire([at(1)], None, 2.0)
    shared = frozenset({at(1), at(2)})
    assert decide(subject, AddressRequest(pod("db"), (at(1),), shared=shared), 3.0) == InDoubt((at(1),))
    assert not isinstance(subject.decide(AddressRequest(pod("db"), (at(2),), shared=shared), 3.0), Allocated)


def test_a_mistake_is_none_the_less_one_where_everything_is_shared() -> None:
    subject = allocator()
    asked = AddressRequest(pod("web"), (0, at(1), at(1)), shared=frozenset({0, at(1)}))
    assert [refusal.fault for refusal in refusals(subject, asked)] == [Fault.UNUSABLE, Fault.TWICE]


def test_of_several_allocations_of_one_address_each_ends_when_its_own_object_is_seen() -> None:
    subject = allocator()
    assert decide(subject, asking("web", 1), 1.0) == Allocated((at(1),))
    admit(subject, pod("db"), 1)
    assert numbers(subject.ledger.unseen()) == [1]
    assert subject.ledger.in_flight_count == 1
    subject.ledger.observe(holder("web", 1), 11.0)
    subject.ledger.vanish(key("web"), 12.0)
    assert refusals(subject, asking("app", 1)) == (Refusal(0, at(1), Fault.IN_FLIGHT, pod("db")),)
    subject.ledger.observe(holder("db", 1), 13.0)
    assert subject.ledger.in_flight_count == 0


def test_of_several_allocations_of_one_address_each_ends_with_its_own_bound() -> None:
    subject = allocator()
    assert decide(subject, asking("web", 1), 1.0) == Allocated((at(1),))
    admit(subject, pod("db"), 1, now=20.0)
    assert subject.ledger.oldest_unseen() == 1.0
    subject.ledger.pass_barrier(1.0 + BOUND)
    assert subject.ledger.oldest_unseen() == 20.0
    assert not subject.ledger.is_free(at(1))
    subject.ledger.pass_barrier(20.0 + BOUND)
    assert subject.ledger.is_free(at(1))


def test_an_object_that_may_be_any_of_several_that_were_allocated_an_address_ends_no_allocation() -> None:
    """Two pods of one ReplicaSet, whose template has an address: of the two that are on their way one is seen."""
    subject = allocator()
    admit(subject, unreserved("web-", "request-1"), 1)
    admit(subject, unreserved("web-", "request-2"), 1)
    subject.ledger.observe(holder("web-a", 1), 11.0)
    subject.ledger.vanish(key("web-a"), 12.0)
    assert not subject.ledger.is_free(at(1))
    assert subject.ledger.latest_allocation(at(1)) is not None


def test_a_launcher_pod_that_was_allocated_an_address_before_its_machine_was_gone_does_not_end_what_came_after() -> (
    None
):
    """The first is allocated for the machine, the second for the instance; which of them is seen cannot be told."""
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.ask(INSTANCE, 1, dependent=LAUNCHER._replace(request="r2"))
    cluster.launcher("vm", "2", 1)
    assert cluster.ledger.in_flight_count == 1


def test_who_leads_no_more_has_allocated_nothing_to_anybody() -> None:
    subject = allocator()
    assert decide(subject, asking("web", 1), 1.0) == Allocated((at(1),))
    admit(subject, pod("db"), 1)
    subject.step_down()
    assert subject.ledger.is_free(at(1))
    assert subject.ledger.latest_allocation(at(1)) is None
