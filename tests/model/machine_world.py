"""A virtual machine, its instance and its launcher pods around one leader or two: each kind is watched by itself.

It leaves to the world of pods what has nothing to do with parties of several objects: writes of the Lease that are
lost, pods that are alike, terminating objects. What is new:

- The machine and its launcher pods come through us. The instance does not; the machine's controller creates it from the
  machine, with the same addresses, perhaps when the machine has gone already. Launcher pods are created for the
  instance, perhaps when that has gone.
- A replica that has crashed does not come back: the other one acquires the Lease. One that was started again cannot
  know what was allocated to the launcher pods of a machine that it has never seen; when nothing of that is on its way
  any more, it is like the first leader ever.
- A replica remembers for two bounds which machines have left which addresses, which is longer than a history here.
"""

from collections.abc import Iterator
from typing import Final, NamedTuple

from tests.model.cluster import (
    EVERY_LAW,
    LEADING,
    STANDING_BY,
    Bounds,
    Change,
    Cluster,
    Flight,
    Laws,
    Replica,
    State,
    changed_by,
)
from tests.model.core_states import CoreStates
from tests.model.frame import Frame, Happening
from tests.model.moves import Ask

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest

KINDS: Final = (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, POD)

MACHINE: Final = 0
INSTANCE: Final = 1
LAUNCHERS: Final = (2, 3)
STRANGER: Final = 4

SLOTS: Final = (
    ObjectKey(VIRTUAL_MACHINE, "ns", "vm"),
    ObjectKey(VIRTUAL_MACHINE_INSTANCE, "ns", "vm"),
    ObjectKey(POD, "ns", "virt-launcher-vm-a"),
    ObjectKey(POD, "ns", "virt-launcher-vm-b"),
    ObjectKey(POD, "ns", "web"),
)
"""A VirtualMachine, its instance, its launcher pods; and a pod that has nothing to do with them."""

PREFIX: Final = "virt-launcher-vm-"

THIEF: Final = "thief"
"""The uid of a pod that came past us."""

BEFORE_ALL: Final = -1
"""The moment of a change that everybody who proves something must have observed."""

Wishes = tuple[tuple[int | None, ...], ...]
"""What somebody may ask for: one item a time, each one item an interface."""


class Cast(NamedTuple):
    """Who asks for what, and how large the world is.

    Attributes:
        machine: what the machine may ask for, each time that it is created.
        machines: how often it may be created.
        launchers: how many launcher pods there may be.
        stranger: what the pod may ask for that has nothing to do with them.
        forged: whether that pod says that it belongs to the instance, of which it does not know the uid.
        acquisitions: how often the Lease may be acquired; the first leader is there from the beginning.
        running: the addresses of a machine that runs from the beginning; that counts as created once.
        launcher: what a launcher pod may ask for; nothing is what its instance carries.
        touched: whether a launcher pod may change in what does not matter here, so that it is told of again.
        thief: what is written past us into the pod that has nothing to do with them, while the machine is there.
        instances_count: whether an instance is an object that must not share an address, though it comes past us.
    """

    machine: Wishes
    stranger: Wishes
    machines: int = 1
    launchers: int = 2
    forged: bool = False
    acquisitions: int = 0
    instances_count: bool = False
    running: tuple[int, ...] = ()
    launcher: Wishes = ()
    touched: bool = False
    thief: tuple[int, ...] = ()


class Live(NamedTuple):
    """An object in the cluster."""

    uid: str
    addresses: tuple[int, ...]
    owner: OwnerReference | None = None

    def instance(self) -> "Live":
        """What the machine's controller creates for it."""
        owner = OwnerReference(VIRTUAL_MACHINE, SLOTS[MACHINE].name, self.uid)
        return Live(f"of-{self.uid}", self.addresses, owner)


Machines = Cluster[Live]
"""What is expected: an instance for the newest machine that has none yet, launcher pods for the newest instance."""


class MachineWorld(Frame[Live]):
    """A machine and a stranger are the parties."""

    def __init__(self, cores: CoreStates, cast: Cast, *, laws: Laws = EVERY_LAW) -> None:
        """Take the actors of a world.

        Args:
            cores: the core under test.
            cast: who asks for what.
            laws: what the core's caller keeps to.
        """
        replicas = 2 if cast.acquisitions else 1
        bounds = Bounds(replicas, cast.acquisitions, early_sightings=True)
        super().__init__(cores, bounds, laws, tuple(KINDS.index(key.kind) for key in SLOTS))
        self._cast = cast
        self._most = (cast.machines, cast.launchers, 1)

    def start(self) -> State:
        """One replica leads, the first one ever."""
        return self.beginning(self.first_cluster(), [LEADING, STANDING_BY][: self.bounds.replicas])

    def first_cluster(self) -> Machines:
        """Nothing exists; or a machine does that runs."""
        nothing: Machines = Cluster((None,) * len(SLOTS), (), (0, 0, 0), ((),) * len(KINDS), (None, None))
        if not self._cast.running:
            return nothing
        machine = Live("uid-0", self._cast.running)
        instance = machine.instance()
        return nothing._replace(
            objects=(machine, instance, None, None, None),
            asked=(1, 0, 0),
            expected=(None, instance),
        )

    def may_conflict(self, cluster: Machines) -> bool:
        """Whether there can be another allocation, and both parties have something then."""
        machines, launchers, strangers = cluster.asked
        theirs = [slot for slot, live in enumerate(cluster.objects) if live is not None and self._counts(slot)]
        theirs += [flight.slot for flight in cluster.flights]
        machine_asks = machines < self._cast.machines
        launcher_asks = launchers < self._cast.launchers and (
            machine_asks or any(cluster.expected) or MACHINE in theirs
        )
        if not strangers:
            return machine_asks or launcher_asks or any(slot != STRANGER for slot in theirs)
        return (machine_asks or launcher_asks) and STRANGER in theirs

    def is_last(self, asked: tuple[int, ...]) -> bool:
        """Whether nobody may ask any more."""
        return asked == self._most

    # What becomes of objects

    def happen(self, cluster: Machines) -> Iterator[Happening[Live]]:
        """Admissions are persisted, controllers and thieves do their work, and objects go."""
        now = sum(cluster.asked) if self.bounds.acquisitions else BEFORE_ALL
        for index, (slot, live, allocation) in enumerate(cluster.flights):
            if cluster.objects[slot] is None:  # one object of a name at a time
                left = cluster._replace(flights=cluster.flights[:index] + cluster.flights[index + 1 :])
                after = self._changed(left, slot, live, allocation)
                if slot == MACHINE:
                    after = after._replace(expected=(live, cluster.expected[1]))
                others = self._others(cluster.objects, slot)
                yield Happening("persist", (SLOTS[slot], live), after, not others.isdisjoint(live.addresses))
        machine = cluster.expected[0]
        if machine is not None and cluster.objects[INSTANCE] is None:
            live = machine.instance()
            after = self._changed(cluster, INSTANCE, live, now)._replace(expected=(None, live))
            others = self._others(cluster.objects, INSTANCE) if self._cast.instances_count else frozenset()
            yield Happening("create", (SLOTS[INSTANCE], live), after, not others.isdisjoint(live.addresses))
        machines, launchers, strangers = cluster.asked
        if self._cast.thief and not strangers and cluster.objects[MACHINE] is not None:
            live = Live(THIEF, self._cast.thief)
            after = self._changed(cluster, STRANGER, live, now)._replace(asked=(machines, launchers, 1))
            yield Happening("steal", (SLOTS[STRANGER], live), after)
        for slot, present in enumerate(cluster.objects):
            if present is not None:
                yield Happening("delete", (SLOTS[slot],), self._changed(cluster, slot, None, now))
                if self._cast.touched and slot in LAUNCHERS and all(each.slot != slot for each in cluster.logs[-1]):
                    yield Happening("touch", (SLOTS[slot],), self._changed(cluster, slot, present, now))

    def _changed(self, cluster: Machines, slot: int, live: Live | None, allocation: int) -> Machines:
        return changed_by(cluster, KINDS.index(SLOTS[slot].kind), Change(slot, live, allocation))

    def _others(self, objects: tuple[Live | None, ...], slot: int) -> frozenset[int]:
        """What objects of other parties carry, of those that came through us."""
        return frozenset(
            address
            for other, live in enumerate(objects)
            if live is not None and _are_two(other, slot) and self._counts(other) and live.uid != THIEF
            for address in live.addresses
        )

    def _counts(self, slot: int) -> bool:
        return slot != INSTANCE or self._cast.instances_count

    def cooled(self, cluster: Machines, replica: Replica) -> Machines | None:
        """An instance that the machine's controller is creating is on its way for less than a cool-down."""
        if self._cast.instances_count and replica.view[1] < len(cluster.logs[1]):
            return None  # a view is not that late
        if cluster.objects[MACHINE] is None and cluster.expected[0] is not None:
            return cluster._replace(expected=(None, cluster.expected[1]))
        return cluster

    def after_crash(self, cluster: Machines) -> Replica | None:
        """Nobody."""
        return None if self.laws.successors_have_followed else super().after_crash(cluster)

    # Requests

    def concerns(self, cluster: Machines) -> tuple[tuple[int, ...], Live | None, Live | None]:
        """For whom launcher pods are created, and what thieves take."""
        return cluster.asked, cluster.expected[1], cluster.objects[MACHINE] if self._cast.thief else None

    def asks(self, core: int, cluster: Machines) -> Iterator[Ask[Live]]:
        """The machine, a launcher pod of its instance, the stranger."""
        machines, launchers, strangers = cluster.asked
        instance, uid = cluster.expected[1], f"uid-{sum(cluster.asked)}"
        if machines < self._cast.machines:
            for wish in self._cast.machine:
                yield Ask(AddressRequest(Party(*SLOTS[MACHINE]), wish), 0, MACHINE, Live(uid, ()))
        if launchers < self._cast.launchers and instance is not None:
            owner = OwnerReference(VIRTUAL_MACHINE_INSTANCE, SLOTS[INSTANCE].name, instance.uid)
            pod = Party(POD, "ns", "", PREFIX, f"request-{launchers}")
            for wish in self._cast.launcher or (instance.addresses,):
                yield Ask(self._pod(core, pod, wish, owner), 1, LAUNCHERS[launchers], Live(uid, (), owner))
        if not strangers:
            forged = OwnerReference(VIRTUAL_MACHINE_INSTANCE, "vm", "forged") if self._cast.forged else None
            for wish in self._cast.stranger:
                yield Ask(self._pod(core, Party(*SLOTS[STRANGER]), wish, forged), 2, STRANGER, Live(uid, (), forged))

    def _pod(self, core: int, pod: Party, wish: tuple[int | None, ...], owner: OwnerReference | None) -> AddressRequest:
        """`PodAdmission.admit`; one whose owner does not show up is a party of its own."""
        family = self.cores.family(core, pod.namespace, owner) if owner is not None else None
        return AddressRequest(pod, wish) if family is None else AddressRequest(family, wish, dependent=pod)

    def created(self, pattern: Live, addresses: tuple[int, ...], allocation: int, *, shared: bool) -> Live:  # noqa: ARG002 (its uid says which, and nobody shares)
        """An object with the addresses that it was allocated."""
        return pattern._replace(addresses=addresses)

    def conflicts(self, cluster: Machines, flight: Flight[Live]) -> bool:
        """Whether the other party has an address of this one, or will have."""
        others = self._others(cluster.objects, flight.slot)
        others |= {
            address for slot, live, _ in cluster.flights if _are_two(slot, flight.slot) for address in live.addresses
        }
        expected = cluster.expected[0]
        if self._cast.instances_count and expected is not None and flight.slot == STRANGER:
            others |= set(expected.addresses)
        return not others.isdisjoint(flight.live.addresses)

    def robbed(self, core: int, cluster: Machines, request: AddressRequest) -> bool:
        """Whether it is a launcher pod's, and the core observes the machine, alone with its address but for thieves."""
        machine = cluster.objects[MACHINE]
        return (
            self._cast.thief != ()
            and request.dependent is not None
            and machine is not None
            and any(
                holder.uid == machine.uid and holder.addresses == machine.addresses
                for holder in self.cores.states[core].holders
            )
        )

    # The view

    def told(self, core: int, slot: int, live: Live | None) -> tuple[int, bool]:
        """As the watch of its kind tells it."""
        key = SLOTS[slot]
        if live is None:
            return self.cores.tell(core, key, None)
        return self.cores.tell(core, key, Holder(key, live.uid, Party(*key), live.addresses), live.owner)


def _are_two(slot: int, other: int) -> bool:
    """Whether objects at these places are of two parties."""
    return (slot == STRANGER) != (other == STRANGER)
