"""What the tests of parties of several objects speak of: a cluster with virtual machines, and who leads there."""

from typing import Final

from tests.unit.core.subjects import BOUND, at, pool

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import OwnerReference
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.core.requests import AddressRequest, Decision, Refused, Undecided, Unreserved

LAUNCHER: Final = Party("Pod", "ns", "", "virt-launcher-vm-", "r1")
"""A launcher pod that the API server has yet to name."""


class Cluster:
    """What is seen of a cluster, and a leader whose Lease names everything that it asks for."""

    def __init__(self) -> None:
        self.ledger = Ledger(pool(1, 64), in_flight_bound=BOUND, cool_down=BOUND)
        self.population = Population(self.ledger)
        self.allocator = Allocator(self.ledger)
        self.allocator.acquire((), None, 0.0, first=True)
        self.writes = 0
        self._version = 0

    def see(
        self, kind: str, name: str, *positions: int, owner: OwnerReference | None = None, uid: str = "", ns: str = "ns"
    ) -> None:
        """An object carries these, and its interfaces are reported to have them."""
        self._version += 1
        key = ObjectKey(kind, ns, name)
        carries = tuple(map(at, positions))
        holder = Holder(key, uid or f"uid-{kind}-{ns}-{name}", Party(*key), carries, attached=carries)
        self.population.see(holder, owner, 1.0, self._version)

    def gone(self, kind: str, name: str, ns: str = "ns", now: float = 2.0) -> None:
        """It does not any more."""
        self.population.gone(ObjectKey(kind, ns, name), now)

    def succeed(self, *names: int, now: float = 3.0) -> None:
        """Take over from somebody else, whose Lease names these."""
        self.allocator.step_down()
        self.allocator.acquire(map(at, names), None, now)

    def may_have(self, position: int, party: Party) -> bool:
        """Whether a party that asks for an address may have it."""
        return not isinstance(self.ask(party, position), Refused)

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

    def ask(self, party: Party, *positions: int, dependent: Party | None = None) -> Decision | Undecided:
        """What is decided, once it was named."""
        request = AddressRequest(party, tuple(map(at, positions)), dependent=dependent)
        while isinstance(decision := self.allocator.decide(request, 3.0), Unreserved):
            names = self.allocator.next_update(decision.addresses, decision.automatic)
            self.allocator.reservations.confirm(names.reserved)
            self.writes += 1
        return decision

    def parties(self, position: int) -> set[Party]:
        """Whose the address is."""
        return {holder.party for holder in self.ledger.holders_of(at(position))}


def machine(name: str = "vm", ns: str = "ns") -> Party:
    """The party of a virtual machine."""
    return Party("VirtualMachine", ns, name)
