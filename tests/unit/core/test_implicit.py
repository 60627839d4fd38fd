"""What launcher pods are allocated implicitly is listed nowhere: a new leader knows it by what machines left."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster, machine
from tests.unit.core.subjects import BOUND, at, numbers

from kubemacpool.core.allocations import Allocation, Terms
from kubemacpool.core.budgets import MOST_RESERVED
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Allocated, Fault, Refusal, Refused

ANYBODY = Party("Pod", "ns", "web")


def _stopped(cluster: Cluster, now: float = 2.0) -> None:
    """All of a machine that runs is deleted."""
    cluster.gone("VirtualMachine", "vm", now=now)
    cluster.gone("VirtualMachineInstance", "vm", now=now)
    cluster.gone("Pod", "virt-launcher-vm-1", now=now)


@pytest.mark.parametrize("before", [True, False], ids=["before the acquisition", "after it"])
def test_what_a_machine_has_left_may_be_on_its_way_to_its_launcher_pods_for_a_bound_after_an_acquisition(
    *, before: bool
) -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    if before:
        _stopped(cluster)
    cluster.succeed()
    if not before:
        _stopped(cluster, now=4.0)
    assert cluster.ask(ANYBODY, 1) == Refused((Refusal(0, at(1), Fault.IN_FLIGHT, machine()),))
    assert cluster.ask(machine(), 1) == Allocated((at(1),)), "the machine may be created again at once"
    cluster.gone("VirtualMachine", "vm", now=4.0)


def test_a_machines_address_is_anybodys_once_the_bound_since_the_acquisition_is_proven_to_be_past() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    _stopped(cluster, now=4.0)
    cluster.ledger.pass_barrier(3.0 + BOUND - 0.001)
    assert not cluster.may_have(1, ANYBODY)
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.may_have(1, ANYBODY)


def test_nothing_is_on_its_way_to_a_machine_that_is_deleted_long_after_the_acquisition() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    assert cluster.ledger.oldest_unseen() == 3.0, "so the view is proven although nothing is in flight"
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.ledger.oldest_unseen() is None
    _stopped(cluster, now=4.0 + BOUND)
    assert cluster.may_have(1, ANYBODY)


def test_a_pods_address_is_not_kept_back_after_an_acquisition() -> None:
    cluster = Cluster()
    cluster.see("Pod", "alone", 1)
    cluster.succeed()
    cluster.gone("Pod", "alone", now=4.0)
    assert cluster.may_have(1, ANYBODY)


def test_a_launcher_pod_whose_instance_was_never_seen_counts_as_a_machines() -> None:
    cluster = Cluster()
    cluster.launcher("vm", "1", 1)
    cluster.succeed()
    cluster.gone("Pod", "virt-launcher-vm-1", now=4.0)
    assert not cluster.may_have(1, ANYBODY)
    assert list(cluster.ledger.coolest()) == []


def test_a_departure_is_remembered_for_two_bounds() -> None:
    for moment, remembered in ((2.0 + 2 * BOUND - 0.001, True), (2.0 + 2 * BOUND, False)):
        cluster = Cluster()
        cluster.machine("vm", 1)
        _stopped(cluster)
        cluster.ledger.end_cooling(moment)
        cluster.succeed(now=moment)
        assert cluster.may_have(1, ANYBODY) is not remembered


def test_whoever_carries_the_address_since_has_it() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    _stopped(cluster)
    cluster.see("Pod", "web", 1)
    cluster.succeed()
    assert cluster.may_have(1, ANYBODY)


def test_a_first_leader_has_nothing_to_expect() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    _stopped(cluster)
    assert cluster.may_have(1, ANYBODY)


def test_what_was_allocated_to_somebody_else_since_the_acquisition_stays_theirs() -> None:
    """An object that came past us is deleted while an allocated one is on its way."""
    cluster = Cluster()
    cluster.succeed()
    cluster.ask(ANYBODY, 1)
    cluster.machine("vm", 1)
    _stopped(cluster, now=4.0)
    allocation = cluster.ledger.latest_allocation(at(1))
    assert allocation is not None
    assert allocation.party == ANYBODY


def test_an_admission_that_we_allocated_joins_those_that_may_be_on_their_way_from_before() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.succeed()
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    _stopped(cluster, now=4.0)
    cluster.launcher("vm", "2", 1)
    cluster.gone("Pod", "virt-launcher-vm-2", now=5.0)
    assert not cluster.may_have(1, ANYBODY)


def test_soon_after_an_acquisition_a_launcher_pod_that_is_seen_may_be_one_of_the_last_leaders() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.succeed()
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.launcher("vm", "1", 1)
    assert cluster.ledger.in_flight_count == 1
    cluster.ledger.pass_barrier(3.0 + BOUND)
    assert cluster.ledger.in_flight_count == 0


def test_what_a_launcher_pod_was_allocated_by_name_is_not_settled_by_its_instance() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm")
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ledger.in_flight_count == 1
    to_instance = OwnerReference("VirtualMachineInstance", "vm", "uid")
    cluster.see("Pod", "virt-launcher-vm-1", 1, owner=to_instance)
    assert cluster.ledger.in_flight_count == 0


def test_an_implicit_allocation_is_named_once_nobody_holds_the_address() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    assert at(1) not in cluster.allocator.next_update((), 0).reserved
    cluster.gone("VirtualMachine", "vm")
    assert at(1) in cluster.allocator.next_update((), 0).reserved
    assert at(1) in cluster.allocator.last_update().reserved


def test_implicit_allocations_neither_fill_the_lease_nor_stop_others_from_being_named() -> None:
    cluster = Cluster()
    for number in range(MOST_RESERVED + 10):
        cluster.ledger.allocate(at(100 + number), machine(), 2.0, Terms(LAUNCHER, implicit=True))
    names = cluster.allocator.next_update([at(1)], 0)
    assert names.complete
    assert at(1) in names.reserved
    assert len(names.reserved) == MOST_RESERVED


def test_an_allocation_awaits_its_dependent_object_or_its_party() -> None:
    assert Allocation(machine(), 0.0, 1).awaited == machine()
    assert Allocation(machine(), 0.0, 1, terms=Terms(LAUNCHER)).awaited == LAUNCHER


def test_who_steps_down_expects_nothing_any_more() -> None:
    cluster = Cluster()
    cluster.succeed(5)
    cluster.ask(ANYBODY, 1)
    cluster.allocator.step_down()
    assert numbers(cluster.ledger.unseen()) == []
    assert cluster.ledger.oldest_unseen() is None
