"""Parties of several objects: what they hold together, what collides, what is allocated through others."""

import pytest
from tests.unit.core.machines import LAUNCHER, Cluster, machine
from tests.unit.core.subjects import at

from kubemacpool.core.allocations import Terms
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import Allocated, Fault, Refusal, Refused


def test_a_machine_its_instance_and_its_launcher_pods_hold_an_address_together() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.launcher("vm", "2", 1)
    assert cluster.parties(1) == {machine()}
    assert cluster.ledger.collisions() == {}


def test_objects_that_were_seen_before_their_machine_become_its_party_when_it_is_seen() -> None:
    cluster = Cluster()
    cluster.launcher("vm", "1", 1)
    to_machine = OwnerReference("VirtualMachine", "vm", "uid-VirtualMachine-ns-vm")
    cluster.see("VirtualMachineInstance", "vm", 1, owner=to_machine)
    assert cluster.parties(1) == {Party("VirtualMachineInstance", "ns", "vm")}
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.parties(1) == {machine()}
    assert cluster.ledger.collisions() == {}


def test_a_machine_and_an_instance_that_carry_nothing_are_family_all_the_same() -> None:
    """A machine whose interfaces have no address, an instance that has ended: launcher pods belong to them as well."""
    cluster = Cluster()
    to_machine = OwnerReference("VirtualMachine", "vm", "uid-VirtualMachine-ns-vm")
    cluster.see("VirtualMachineInstance", "vm", owner=to_machine)
    cluster.launcher("vm", "1", 1)
    assert cluster.parties(1) == {Party("VirtualMachineInstance", "ns", "vm")}
    cluster.see("VirtualMachine", "vm")
    assert cluster.parties(1) == {machine()}


def test_an_address_is_held_until_the_last_object_of_its_party_is_gone() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    for kind, name in (("VirtualMachine", "vm"), ("VirtualMachineInstance", "vm")):
        cluster.gone(kind, name)
        refusal = Refusal(0, at(1), Fault.HELD, machine())
        assert cluster.ask(Party("Pod", "ns", "a"), 1) == Refused((refusal,))
    cluster.gone("Pod", "virt-launcher-vm-1")
    assert cluster.ask(Party("Pod", "ns", "a"), 1) == Allocated((at(1),))


def test_a_machine_may_be_created_again_with_its_address_while_its_instance_is_still_there() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.gone("VirtualMachine", "vm")
    assert cluster.ask(machine(), 1) == Allocated((at(1),))


def test_a_machine_may_have_what_the_instance_of_its_name_has_that_belongs_to_nobody() -> None:
    """It was orphaned, and KubeVirt makes it the machine's own; there is one instance of a name."""
    cluster = Cluster()
    cluster.see("VirtualMachineInstance", "vm", 1)
    assert cluster.ask(machine(), 1) == Allocated((at(1),))
    for other in (machine("other"), machine(ns="elsewhere"), Party("Pod", "ns", "vm")):
        assert isinstance(cluster.ask(other, 1), Refused), other


def test_a_launcher_pod_is_allocated_what_its_machine_holds_without_a_name() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    assert cluster.writes == 0
    assert at(1) not in cluster.allocator.next_update((), 0).reserved


def test_a_launcher_pod_is_not_allocated_without_a_name_what_only_an_earlier_one_of_its_prefix_holds() -> None:
    """That one may be what the earlier admission was for, and its going may be what this one waits for."""
    cluster = Cluster()
    cluster.machine("vm", 1)
    for kind in ("VirtualMachine", "VirtualMachineInstance"):
        cluster.gone(kind, "vm")
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    assert cluster.writes == 1
    assert at(1) in cluster.allocator.next_update((), 0).reserved


def test_a_launcher_pod_on_its_way_keeps_others_off_when_its_machine_is_gone() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.gone("VirtualMachine", "vm")
    refusal = Refusal(0, at(1), Fault.IN_FLIGHT, machine())
    assert cluster.ask(Party("Pod", "ns", "a"), 1) == Refused((refusal,))


def test_a_launcher_pod_that_is_seen_ends_its_allocation_and_an_older_one_does_not() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.launcher("vm", "1", 1)
    assert cluster.ledger.in_flight_count == 1, "that is the source of the migration"
    cluster.launcher("vm", "2", 1)
    assert cluster.ledger.in_flight_count == 0


def test_a_launcher_pod_with_an_address_that_its_machine_does_not_hold_is_allocated_like_anybody() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ask(machine(), 2, dependent=LAUNCHER) == Allocated((at(2),))
    assert cluster.writes == 1
    assert at(2) in cluster.allocator.next_update((), 0).reserved


def test_what_has_to_be_named_stays_named_when_a_launcher_pod_is_allocated_it_too() -> None:
    cluster = Cluster()
    cluster.ask(machine(), 1)
    cluster.see("VirtualMachineInstance", "vm", 1)
    cluster.ledger.allocate(at(1), machine(), 3.0, Terms(LAUNCHER))
    assert at(1) in cluster.allocator.next_update((), 0).reserved


def test_what_was_allocated_by_name_stays_named_when_it_is_allocated_once_more_without_a_name() -> None:
    """The first admission may still come when nobody holds the address any more."""
    cluster = Cluster()
    cluster.ask(machine(), 1)
    cluster.see("VirtualMachineInstance", "vm", 1)
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Allocated((at(1),))
    assert cluster.writes == 1, "the second one needed none"
    assert at(1) in cluster.allocator.next_update((), 0).reserved
    assert list(cluster.ledger.unseen()) == [at(1)]


def test_a_stopped_machine_collides_with_nobody_and_a_launcher_pod_counts_with_its_instance() -> None:
    cluster = Cluster()
    cluster.machine("a", 1)
    cluster.see("VirtualMachine", "b", 1)
    assert cluster.ledger.collisions() == {}
    cluster.machine("b", 1)
    assert cluster.ledger.collisions() == {at(1): 2}
    names = [str(holder.key) for holder in cluster.ledger.colliding(at(1))]
    assert names == ["VirtualMachineInstance ns/a", "VirtualMachineInstance ns/b"]


def test_a_collision_with_a_pod_ends_when_the_pod_is_gone() -> None:
    cluster = Cluster()
    cluster.machine("a", 1)
    cluster.see("Pod", "stranger", 1)
    assert cluster.ledger.collisions() == {at(1): 2}
    cluster.gone("Pod", "stranger")
    assert cluster.ledger.collisions() == {}


def test_source_and_target_of_a_migration_between_namespaces_are_one_for_as_long_as_it_lasts() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1, ns="from")
    cluster.machine("vm", 1, ns="to")
    for name in ("a", "b"):
        cluster.machine(name, 2)
    assert cluster.ledger.collisions() == {at(1): 2, at(2): 2}
    source, target = machine(ns="from"), machine(ns="to")
    cluster.ledger.unite({source: source, target: source})
    assert cluster.ledger.collisions() == {at(2): 2}, "others are as they were"
    cluster.ledger.unite({source: None, target: None})
    assert cluster.ledger.collisions() == {at(1): 2, at(2): 2}


def test_what_is_on_its_way_to_the_source_of_a_migration_may_be_asked_for_by_the_target() -> None:
    cluster = Cluster()
    source, target = machine(ns="from"), machine(ns="to")
    cluster.ask(source, 1)
    assert isinstance(cluster.ask(target, 1), Refused)
    cluster.ledger.unite({source: source, target: source})
    assert cluster.ask(target, 1) == Allocated((at(1),))


@pytest.mark.parametrize("kind", ["Pod", "VirtualMachine"])
def test_only_a_pods_address_is_given_before_its_cool_down_has_passed(kind: str) -> None:
    cluster = Cluster()
    cluster.see(kind, "a", 1)
    cluster.gone(kind, "a")
    assert [address for address, _ in cluster.ledger.coolest()] == ([at(1)] if kind == "Pod" else [])


def test_another_object_of_the_name_that_collides_has_to_be_told_of_though_nobody_was_seen_to_go() -> None:
    cluster = Cluster()
    cluster.see("Pod", "web", 1)
    cluster.see("Pod", "db", 1)
    assert cluster.ledger.take_changed_collisions() == [at(1)]
    cluster.see("Pod", "db", 1, uid="uid-of-another")
    assert cluster.ledger.take_changed_collisions() == [at(1)]
    cluster.see("Pod", "db", 1, uid="uid-of-another")
    assert cluster.ledger.take_changed_collisions() == []


def _thief() -> Cluster:
    """A pod carries the address of another, and then says that it is an instance's."""
    cluster = Cluster()
    cluster.see("Pod", "victim", 1)
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    cluster.see("VirtualMachineInstance", "own", uid="uid-own", ns="elsewhere")
    to_own = OwnerReference("VirtualMachineInstance", "own", "uid-own")
    cluster.see("Pod", "thief", 1, owner=to_own, ns="elsewhere")
    return cluster


def test_who_came_late_to_an_address_is_as_late_as_another_party() -> None:
    cluster = _thief()
    own = Party("VirtualMachineInstance", "elsewhere", "own")
    assert cluster.parties(1) == {Party("Pod", "ns", "victim"), own}
    assert isinstance(cluster.ask(own, 1), Refused)
    assert isinstance(cluster.ask(Party("Pod", "elsewhere", "thief"), 1), Refused)
    cluster.gone("Pod", "victim")
    assert cluster.ask(own, 1) == Allocated((at(1),))


def test_a_launcher_pod_that_is_seen_before_its_instance_makes_its_machine_no_latecomer() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.launcher("vm", "1", 1)
    assert cluster.parties(1) == {machine(), Party("Pod", "ns", "virt-launcher-vm-1")}
    cluster.machine("vm", 1)
    assert cluster.parties(1) == {machine()}
    assert not cluster.ledger._latecomers._parties, "or there would be one more with each start"
    cluster.see("Pod", "thief", 1, ns="elsewhere")
    assert cluster.ask(machine(), 1) == Allocated((at(1),))


def test_what_an_object_leaves_when_it_changes_sides_is_left_by_the_party_that_it_was_of() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachineInstance", "own", uid="uid-own")
    cluster.see("Pod", "a", 1, 2)
    cluster.see("Pod", "a", 1, owner=OwnerReference("VirtualMachineInstance", "own", "uid-own"))
    assert [address for address, _ in cluster.ledger.coolest()] == [at(2)], "a pod's, so it may be given early"
