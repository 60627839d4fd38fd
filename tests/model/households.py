"""What the world of virtual machines is made of: objects of several kinds, and views of each kind. All of it values."""

from typing import Final, NamedTuple

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, ObjectKey

KINDS: Final = (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, POD)
"""Each is watched by itself; a place in this row is a place in everything that is known by kind."""

NONE_SEEN: Final = (0, 0, 0)


class Slot(NamedTuple):
    """A name that an object may have, and whose addresses that object carries."""

    key: ObjectKey
    party: int

    @property
    def kind(self) -> int:
        """The place of its kind."""
        return KINDS.index(self.key.kind)


MACHINE: Final = 0
INSTANCE: Final = 1
LAUNCHERS: Final = (2, 3)
STRANGER: Final = 4

SLOTS: Final = (
    Slot(ObjectKey(VIRTUAL_MACHINE, "ns", "vm"), 0),
    Slot(ObjectKey(VIRTUAL_MACHINE_INSTANCE, "ns", "vm"), 0),
    Slot(ObjectKey(POD, "ns", "virt-launcher-vm-a"), 0),
    Slot(ObjectKey(POD, "ns", "virt-launcher-vm-b"), 0),
    Slot(ObjectKey(POD, "ns", "web"), 1),
)
"""A VirtualMachine, its instance, its launcher pods; and a pod that has nothing to do with them."""

PREFIX: Final = "virt-launcher-vm-"


ReserveQueue = tuple[tuple[int | None, ...], ...]
"""What somebody may ask for: one item a time, each one item an interface."""


class Cast(NamedTuple):
    """Who asks for what, and how large the world is.

    Attributes:
        machine: what the machine may ask for, each time that it is created.
        machines: how often it may be created.
        launchers: how many launcher pods there may be.
        stranger: what the pod may ask for that has nothing to do with them.
        forged: whether that pod says that it belongs to the instance, of which it does not know the uid.
        acquisitions: how often the Lease may be taken over; the first leader is there from the beginning.
        running: the addresses of a machine that runs from the beginning; it is not created again then.
        launcher: what a launcher pod may ask for; nothing is what its instance carries.
        touched: whether a launcher pod may change in what does not matter here, so that it is told of again.
        thief: what is written past us into the pod that has nothing to do with them, while the machine is there.
        instances_count: whether an instance is an object that must not share an address, though it comes past us.
    """

    machine: ReserveQueue
    stranger: ReserveQueue
    machines: int = 1
    launchers: int = 2
    forged: bool = False
    acquisitions: int = 0
    instances_count: bool = False
    running: tuple[int, ...] = ()
    launcher: ReserveQueue = ()
    touched: bool = False
    thief: tuple[int, ...] = ()


THIEF: Final = "thief"
"""The uid of a pod that came past us."""


class Live(NamedTuple):
    """An object in the cluster."""

    uid: str
    addresses: tuple[int, ...]
    owner: OwnerReference | None = None


class Flight(NamedTuple):
    """An admission that was allocated and may yet be persisted."""

    slot: int
    live: Live
    allocation: int


class Change(NamedTuple):
    """An object has appeared or gone (None); its place in the log of its kind is its resourceVersion there."""

    slot: int
    live: Live | None
    allocation: int
    """By which it appeared; of any other change the first that was made after it."""


class Cluster(NamedTuple):
    """What is true, whoever knows it.

    Attributes:
        objects: by slot, what exists.
        flights: admissions on their way.
        asked: by creator, how often it was allocated something.
        instance: the newest instance that has existed: its controller may still create launcher pods for it.
        machine: the newest machine that has existed and has no instance yet: its controller may still create that one.
        logs: by kind, the changes that some replica has yet to see, in their order.
    """

    objects: tuple[Live | None, ...]
    flights: tuple[Flight, ...]
    asked: tuple[int, ...]
    instance: Live | None = None
    machine: Live | None = None
    logs: tuple[tuple[Change, ...], ...] = ((), (), ())


class Lease(NamedTuple):
    """The Lease, as in `cluster.Lease`; `seen` is by kind."""

    reserved: frozenset[int] = frozenset()
    seen: tuple[int, ...] = NONE_SEEN
    last: int | None = None
    acquisitions: int = 0


class Replica(NamedTuple):
    """A replica, as in `cluster.Replica`; what is counted in changes is by kind.

    Attributes:
        core: the number of its core's state.
        part: STANDING_BY, CATCHING_UP or DECIDING.
        view: how many changes it has seen.
        sighted: the newest change that showed it an object with addresses.
        required: the changes that it must have seen before it decides.
    """

    core: int
    part: int = 0
    view: tuple[int, ...] = NONE_SEEN
    sighted: tuple[int, ...] = NONE_SEEN
    required: tuple[int, ...] = NONE_SEEN


def newest(one: tuple[int, ...], other: tuple[int, ...]) -> tuple[int, ...]:
    """By kind, the newer of two changes."""
    return tuple(map(max, one, other))


def less(row: tuple[int, ...], old: tuple[int, ...]) -> tuple[int, ...]:
    """The same places in logs that have lost their first changes."""
    return tuple(max(0, each - gone) for each, gone in zip(row, old, strict=True))
