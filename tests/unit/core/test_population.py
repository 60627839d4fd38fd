"""Parties of several objects: what they hold together, what collides, what is granted through others."""

import pytest
from tests.unit.core.subjects import at

from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Decision, Fault, Granted, Refusal, Refused, Suspect, Unnamed
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.population import Population

LAUNCHER = Party("Pod", "ns", "", "virt-launcher-vm-", "r1")


class Cluster:
    """What is seen of a cluster, and a decider whose Lease names everything that it asks for."""

    def __init__(self) -> None:
        self.ledger = Ledger(Pool([AddressRange(at(1), at(64))]), in_flight_bound=120, cool_down=120)
        self.population = Population(self.ledger)
        self.decider = Decider(self.ledger)
        self.decider.take_over((), None, 0.0)
        self.writes = 0
        self._version = 0

    def see(
        self, kind: str, name: str, *positions: int, owner: OwnerReference | None = None, uid: str = "", ns: str = "ns"
    ) -> None:
        """An object carries these."""
        self._version += 1
        key = ObjectKey(kind, ns, name)
        holder = Holder(key, uid or f"uid-{kind}-{ns}-{name}", Party(*key), tuple(map(at, positions)))
        self.population.see(holder, owner, 1.0, self._version)

    def gone(self, kind: str, name: str, ns: str = "ns") -> None:
        """It does not any more."""
        self.population.gone(ObjectKey(kind, ns, name), 2.0)

    def machine(self, name: str, *positions: int, ns: str = "ns") -> None:
        """A virtual machine that runs."""
        self.see("VirtualMachine", name, *positions, ns=ns)
        to_machine = OwnerReference("VirtualMachine", name, f"uid-VirtualMachine-{ns}-{name}")
        self.see("VirtualMachineInstance", name, *positions, owner=to_machine, ns=ns)
        self.launcher(name, "1", *positions, ns=ns)

    def launcher(self, name: str, number: str, *positions: int, ns: str = "ns") -> None:
        """A launcher pod of it."""
        to_instance = OwnerReference("VirtualMachineInstance", name, f"uid-VirtualMachineInstance-{ns}-{name}")
        self.see("Pod", f"virt-launcher-{name}-{number}", *positions, owner=to_instance, ns=ns)

    def ask(self, party: Party, *positions: int, dependent: Party | None = None) -> Decision | Suspect:
        """What is decided, once it was named."""
        request = AddressRequest(party, tuple(map(at, positions)), dependent=dependent)
        while isinstance(decision := self.decider.decide(request, 3.0), Unnamed):
            names = self.decider.names(decision.addresses, decision.automatic)
            self.decider.openings.confirm(names.open)
            self.writes += 1
        return decision

    def parties(self, position: int) -> set[Party]:
        """Whose the address is."""
        return {holder.party for holder in self.ledger.holders_of(at(position))}


def machine(name: str = "vm", ns: str = "ns") -> Party:
    """The party of a virtual machine."""
    return Party("VirtualMachine", ns, name)


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
    assert cluster.ask(Party("Pod", "ns", "a"), 1) == Granted((at(1),))


def test_a_machine_may_be_created_again_with_its_address_while_its_instance_is_still_there() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.gone("VirtualMachine", "vm")
    assert cluster.ask(machine(), 1) == Granted((at(1),))


def test_a_launcher_pod_is_granted_what_its_machine_holds_without_a_name() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ask(machine(), 1, dependent=LAUNCHER) == Granted((at(1),))
    assert cluster.writes == 0
    assert at(1) not in cluster.decider.names((), 0).open


def test_a_launcher_pod_on_its_way_keeps_others_off_when_its_machine_is_gone() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.gone("VirtualMachine", "vm")
    refusal = Refusal(0, at(1), Fault.PENDING, machine())
    assert cluster.ask(Party("Pod", "ns", "a"), 1) == Refused((refusal,))


def test_a_launcher_pod_that_is_seen_ends_its_grant_and_an_older_one_does_not() -> None:
    cluster = Cluster()
    cluster.machine("vm", 1)
    cluster.ask(machine(), 1, dependent=LAUNCHER)
    cluster.launcher("vm", "1", 1)
    assert cluster.ledger.pending_count == 1, "that is the source of the migration"
    cluster.launcher("vm", "2", 1)
    assert cluster.ledger.pending_count == 0


def test_a_launcher_pod_with_an_address_that_its_machine_does_not_hold_is_granted_like_anybody() -> None:
    cluster = Cluster()
    cluster.see("VirtualMachine", "vm", 1)
    assert cluster.ask(machine(), 2, dependent=LAUNCHER) == Granted((at(2),))
    assert cluster.writes == 1
    assert at(2) in cluster.decider.names((), 0).open


def test_what_has_to_be_named_stays_named_when_a_launcher_pod_is_granted_it_too() -> None:
    cluster = Cluster()
    cluster.ask(machine(), 1)
    cluster.see("VirtualMachineInstance", "vm", 1)
    cluster.ledger.grant(at(1), machine(), 3.0, dependent=LAUNCHER)
    assert at(1) in cluster.decider.names((), 0).open


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
    assert cluster.ask(target, 1) == Granted((at(1),))
    cluster.ledger.unite({})
    assert cluster.ledger.collisions() == {at(1): 2, at(2): 2}
    assert isinstance(cluster.ask(target, 1), Refused)


def test_what_is_on_its_way_to_the_source_of_a_migration_may_be_asked_for_by_the_target() -> None:
    cluster = Cluster()
    source, target = machine(ns="from"), machine(ns="to")
    cluster.ask(source, 1)
    assert isinstance(cluster.ask(target, 1), Refused)
    cluster.ledger.unite({source: source, target: source})
    assert cluster.ask(target, 1) == Granted((at(1),))


@pytest.mark.parametrize("kind", ["Pod", "VirtualMachine"])
def test_only_a_pods_address_is_given_before_its_cool_down_has_passed(kind: str) -> None:
    cluster = Cluster()
    cluster.see(kind, "a", 1)
    cluster.gone(kind, "a")
    assert [address for address, _ in cluster.ledger.coolest()] == ([at(1)] if kind == "Pod" else [])
