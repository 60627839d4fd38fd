"""What every world is made of: objects, admissions in flight, the Lease, and replicas. All of it values.

What an object is (`LiveT`) is a matter of each world. Names that objects may have are slots, by number; whatever is
known by kind of object is a row with a place for each kind, for each kind is watched by itself.
"""

from typing import Final, Generic, NamedTuple, TypeVar

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocator import LeaseUpdate

LiveT = TypeVar("LiveT")
ItemT = TypeVar("ItemT")

Versions = tuple[int, ...]
"""By kind, a number of changes of its log."""


class Laws(NamedTuple):
    """What the caller of the core keeps to; a mutant leaves out one."""

    bound_before_proof: bool = True
    proof_needs_view: bool = True
    view_reaches_lease: bool = True
    deposed_is_fenced: bool = True
    writes_carry_version: bool = True
    terminating_still_holds: bool = True
    successors_have_followed: bool = True
    rewound_is_listed: bool = True
    rewound_is_waited_for: bool = True


EVERY_LAW: Final = Laws()


class Bounds(NamedTuple):
    """How large a world is.

    Attributes:
        replicas: one or two.
        acquisitions: how often the Lease may be acquired. With none, the one replica leads from the beginning, and
            everything is reserved that the core was given.
        allocations: how many allocations there may be altogether.
        losses: whether a write of the Lease may be under way while other things happen, and be lost, or its answer.
        early_sightings: whether a replica observes things while it stands by.
        restores: whether the cluster may be restored from a backup, once.
    """

    replicas: int = 1
    acquisitions: int = 0
    allocations: int = 100
    losses: bool = False
    early_sightings: bool = False
    restores: bool = False


ONE_REPLICA: Final = Bounds()


class Flight(NamedTuple, Generic[LiveT]):
    """An admission that was allocated what it asked for, and may yet be persisted."""

    slot: int
    live: LiveT
    allocation: int


class Change(NamedTuple, Generic[LiveT]):
    """An object has appeared, changed or gone (None); its place in the log of its kind is its resourceVersion there."""

    slot: int
    live: LiveT | None
    allocation: int
    """Whoever proves that its view is past the bound since this one must have observed the change."""


class Cluster(NamedTuple, Generic[LiveT]):
    """What is true, whoever knows it.

    Attributes:
        objects: by slot, what exists.
        flights: admissions on their way.
        asked: by creator, how often it was allocated something.
        logs: by kind, the changes that some replica has yet to observe, in their order.
        expected: what controllers may still act upon, though it may have gone.
        backup: what the objects and the Lease were when they were backed up.
        restored: whether it was restored from that.
        lost: whether the wait for the bound after that is not over.
    """

    objects: tuple[LiveT | None, ...]
    flights: tuple[Flight[LiveT], ...]
    asked: tuple[int, ...]
    logs: tuple[tuple[Change[LiveT], ...], ...]
    expected: tuple[LiveT | None, ...] = ()
    backup: "Backup[LiveT] | None" = None
    restored: bool = False
    lost: bool = False


class Lease(NamedTuple):
    """The Lease; who holds it is told by the replicas' parts.

    Attributes:
        reserved: the addresses that it lists.
        seen: up to which changes a new leader must have observed everything.
        last: the address that was allocated last to somebody who asked for any.
        acquisitions: how often it was acquired.
    """

    reserved: frozenset[int]
    seen: Versions
    last: int | None = None
    acquisitions: int = 0


class Backup(NamedTuple, Generic[LiveT]):
    """What a restored cluster is like."""

    objects: tuple[LiveT | None, ...]
    lease: Lease


class Write(NamedTuple):
    """A write of the Lease whose outcome is not known yet."""

    reserved: frozenset[int]
    seen: Versions
    last: int | None

    @classmethod
    def of(cls, update: LeaseUpdate, sighted: Versions) -> "Write":
        """What the core wants written, and what its caller adds."""
        assert update.complete
        return cls(update.reserved, sighted, update.last)

    def on(self, lease: Lease) -> Lease:
        """`lease_writer`: the Lease with another list; what a successor must have observed only grows."""
        last = lease.last if self.last is None else self.last
        return Lease(self.reserved, newest(lease.seen, self.seen), last, lease.acquisitions)


STANDING_BY: Final = 0
CATCHING_UP: Final = 1
LEADING: Final = 2
DEPOSED: Final = 3
"""It led, somebody else has acquired the Lease meanwhile, and it has yet to notice: it is paused, or cut off."""


class Replica(NamedTuple):
    """A replica, and what the world must remember of it.

    Attributes:
        core: the number of its core's state.
        part: STANDING_BY, CATCHING_UP, LEADING or DEPOSED.
        view: how many changes of each log it has observed.
        sighted: the newest changes that showed it an object with addresses.
        required: the changes that it must have observed before it leads.
        write: the write of the Lease that is under way.
        informed: whether it knows the Lease as it is, so that its next write is made rather than refused.
    """

    core: int
    part: int
    view: Versions
    sighted: Versions
    required: Versions
    write: Write | None = None
    informed: bool = True

    def less(self, old: Versions) -> "Replica":
        """The same where the logs have lost their first changes."""
        write = self.write and self.write._replace(seen=less(self.write.seen, old))
        return Replica(
            self.core,
            self.part,
            less(self.view, old),
            less(self.sighted, old),
            less(self.required, old),
            write,
            self.informed,
        )


State = tuple[int, ...]
"""The numbers of a Lease, of a cluster, and of each replica; replicas are interchangeable, so these are sorted."""


class Step(NamedTuple):
    """What happened.

    Attributes:
        what: in a few words.
        details: with what.
        state: what it led to.
        duplicate: two parties hold one address after it.
        conflict: two parties may come to that, whatever we do from here on.
        refused: a party is refused what it has.
    """

    what: str
    details: tuple[object, ...]
    state: State
    duplicate: bool = False
    conflict: bool = False
    refused: bool = False

    def __str__(self) -> str:
        return f"{self.what} {' '.join(map(_text, self.details))}".rstrip()


def changed_by(cluster: Cluster[LiveT], kind: int, change: Change[LiveT]) -> Cluster[LiveT]:
    """The cluster after a change to an object of a kind."""
    logs = put(cluster.logs, kind, (*cluster.logs[kind], change))
    return cluster._replace(objects=put(cluster.objects, change.slot, change.live), logs=logs)


def newest(one: Versions, other: Versions) -> Versions:
    """By kind, the newer of two changes."""
    return tuple(map(max, one, other))


def less(row: Versions, old: Versions) -> Versions:
    """The same places in logs that have lost their first changes."""
    return tuple([each - gone if each > gone else 0 for each, gone in zip(row, old, strict=True)])


def put(row: tuple[ItemT, ...], index: int, item: ItemT) -> tuple[ItemT, ...]:
    """The row with another item at one place."""
    return (*row[:index], item, *row[index + 1 :])


def _text(detail: object) -> str:
    match detail:
        case int() if detail >> 40:
            return format_address(detail)
        case frozenset():
            return f"{{{', '.join(map(_text, sorted(detail)))}}}"
        case tuple() if type(detail) is tuple:
            return f"[{', '.join('any' if each is None else _text(each) for each in detail)}]"
        case None:
            return "gone"
        case _:
            return str(detail)
