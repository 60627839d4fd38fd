"""What the world is made of: objects, admissions in flight, the Lease, and replicas. All of it values."""

from typing import Final, NamedTuple, TypeVar

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocator import LeaseUpdate

ItemT = TypeVar("ItemT")


class Laws(NamedTuple):
    """What the caller of the core keeps to; a mutant leaves out one."""

    bound_before_proof: bool = True
    proof_needs_view: bool = True
    view_reaches_lease: bool = True
    deposed_is_fenced: bool = True
    writes_carry_version: bool = True
    terminating_still_holds: bool = True
    successors_have_followed: bool = True


EVERY_LAW: Final = Laws()


class Bounds(NamedTuple):
    """How large a world is.

    Attributes:
        replicas: one or two.
        acquisitions: how often the Lease may be taken over. With none, the one replica leads from the beginning, and
            everything is named that the core was given.
        allocations: how many allocations there may be altogether.
        losses: whether a write of the Lease may be under way while other things happen, and be lost, or its answer.
        early_sightings: whether a replica sees things while it stands by.
    """

    replicas: int = 1
    acquisitions: int = 0
    allocations: int = 100
    losses: bool = False
    early_sightings: bool = False


ONE_REPLICA: Final = Bounds()


class Creator(NamedTuple):
    """A user, or a controller, that creates pods.

    Attributes:
        name: the name of its pods; what the API server will come to, for one that sends `generate_name`.
        creations: how often it may ask, allocated or not persisted; more than one while the first is under way as well.
        wishes: what it may ask for each time: one item an interface, None for any address.
        generate_name: the prefix that it sends instead of a name.
        warned: whether it may have what another party has (the policy `warn`).
    """

    name: str
    creations: int
    wishes: tuple[tuple[int | None, ...], ...]
    generate_name: str = ""
    warned: bool = False


class Live(NamedTuple):
    """An object in the cluster; the number of its allocation is its uid.

    Attributes:
        allocation: the number.
        addresses: what its interfaces have.
        terminating: whether it is going.
        said: what its annotation says, once that has changed.
        reported: what its network-status lists, once it is there.
        shared: whether it was let through beside another that had its address.
    """

    allocation: int
    addresses: tuple[int, ...]
    terminating: bool = False
    said: tuple[int, ...] | None = None
    reported: tuple[int, ...] | None = None
    shared: bool = False

    @property
    def annotated(self) -> tuple[int, ...]:
        """What its annotation says."""
        return self.addresses if self.said is None else self.said


class Flight(NamedTuple):
    """An admission that was allocated and may yet be persisted."""

    name: int
    addresses: tuple[int, ...]
    allocation: int
    shared: bool = False


class Change(NamedTuple):
    """An object has appeared, changed or gone (None); its place in the log is its resourceVersion."""

    name: int
    live: Live | None
    persisted: bool = False


class Cluster(NamedTuple):
    """What is true, whoever knows it; what has an item per name or per creator is in the world's order.

    Attributes:
        objects: by name, what exists.
        flights: admissions on their way.
        asked: by creator, how often it was allocated something.
        log: the changes that some replica has yet to see, in their order.
    """

    objects: tuple[Live | None, ...]
    flights: tuple[Flight, ...]
    asked: tuple[int, ...]
    log: tuple[Change, ...] = ()


class Lease(NamedTuple):
    """The Lease; who holds it is told by the replicas' parts.

    Attributes:
        reserved: the reserved addresses.
        seen: up to which change of the log a new leader must have seen everything.
        last: the address that was given last to somebody who asked for any.
        acquisitions: how often it was taken over.
    """

    reserved: frozenset[int] = frozenset()
    seen: int = 0
    last: int | None = None
    acquisitions: int = 0


class Write(NamedTuple):
    """A write of the Lease whose outcome is not known yet."""

    reserved: frozenset[int]
    seen: int
    last: int | None


STANDING_BY: Final = 0
CATCHING_UP: Final = 1
DECIDING: Final = 2
DEPOSED: Final = 3
"""It decided, somebody else has taken over meanwhile, and it has yet to notice: it is paused, or cut off."""


class Replica(NamedTuple):
    """A replica, and what the world must remember of it.

    Attributes:
        core: the number of its core's state.
        part: STANDING_BY, CATCHING_UP, DECIDING or DEPOSED.
        view: how many changes of the log it has seen.
        sighted: the newest change that showed it an object with addresses.
        required: the change that it must have seen before it decides.
        write: the write of the Lease that is under way.
        informed: whether it knows the Lease as it is, so that its next write is made rather than refused.
    """

    core: int
    part: int = STANDING_BY
    view: int = 0
    sighted: int = 0
    required: int = 0
    write: Write | None = None
    informed: bool = True


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


def write_of(names: LeaseUpdate, sighted: int) -> Write:
    assert names.complete
    return Write(names.reserved, sighted, names.last)


def written(lease: Lease, write: Write) -> Lease:
    """`writing._reserving`: the Lease with other names; what a successor must have seen only grows."""
    last = lease.last if write.last is None else write.last
    return Lease(write.reserved, max(lease.seen, write.seen), last, lease.acquisitions)


def changed_by(cluster: Cluster, change: Change) -> Cluster:
    return cluster._replace(objects=put(cluster.objects, change.name, change.live), log=(*cluster.log, change))


def less(replica: Replica, old: int) -> Replica:
    write = replica.write
    return replica._replace(
        view=replica.view - old,
        sighted=max(0, replica.sighted - old),
        required=max(0, replica.required - old),
        write=write and write._replace(seen=max(0, write.seen - old)),
    )


def clash(one: Live | Flight, other: Live | Flight) -> bool:
    """Whether both have an address, and the later one was not let through beside the earlier."""
    later = one if one.allocation > other.allocation else other
    return not set(one.addresses).isdisjoint(other.addresses) and not later.shared


def put(row: tuple[ItemT, ...], index: int, item: ItemT) -> tuple[ItemT, ...]:
    return (*row[:index], item, *row[index + 1 :])


def _text(detail: object) -> str:
    match detail:
        case int() if detail >> 40:
            return format_address(detail)
        case Live(allocation, addresses):
            facts = [f"uid {allocation}", *(["terminating"] if detail.terminating else [])]
            facts += [f"says {_text(detail.said)}"] if detail.said is not None else []
            facts += [f"reported {_text(detail.reported)}"] if detail.reported is not None else []
            return f"({', '.join(facts)}) {_text(addresses)}"
        case frozenset():
            return f"{{{', '.join(map(_text, sorted(detail)))}}}"
        case tuple() if type(detail) is tuple:
            return f"[{', '.join('any' if each is None else _text(each) for each in detail)}]"
        case None:
            return "gone"
        case _:
            return str(detail)
