"""What may be asked of a leader, and what it answers.

Answers are no tuples: those with the same content would be equal, and an allocation must not pass for a doubt.
"""

import enum
from dataclasses import dataclass
from typing import Final, NamedTuple

from kubemacpool.core.parties import Party


class Limit(NamedTuple):
    """How many addresses a namespace may have, held and in flight.

    Attributes:
        most: the number.
        where: it is set, in words.
    """

    most: int
    where: str


class AddressRequest(NamedTuple):
    """Addresses for the interfaces of one object.

    Attributes:
        party: who would hold them.
        wanted: one item an interface, in the object's order: the address that the user gave, or None for any free one.
        carried: what the object carried before this request (`oldObject` of an update): nothing to decide about these.
        dry_run: decide the same, change nothing (rule 10).
        dependent: the object itself, as a party of its own, where it lives by another object of the party: a launcher
            pod by its VirtualMachineInstance. What the party holds through others is allocated to it implicitly.
        uid: of the object, where it exists already (an update); empty for one that is about to be created.
        shared: what it may have though another party has it, because a policy lets it (rule 12).
        limit: of the party's namespace; None for none.
    """

    party: Party
    wanted: tuple[int | None, ...]
    carried: frozenset[int] = frozenset()
    dry_run: bool = False
    dependent: Party | None = None
    uid: str = ""
    shared: frozenset[int] = frozenset()
    limit: Limit | None = None


@dataclass(frozen=True, slots=True)
class Allocated:
    """Every interface has its address; same order as `AddressRequest.wanted`."""

    addresses: tuple[int, ...]


class Fault(enum.Enum):
    """Why an address that the user gave cannot be allocated."""

    HELD = "held"
    IN_FLIGHT = "in_flight"
    TWICE = "twice"
    UNUSABLE = "unusable"


MISTAKES: Final = frozenset({Fault.TWICE, Fault.UNUSABLE})
"""Faults of the request itself, whatever anybody else has."""


class Refusal(NamedTuple):
    """One interface whose address cannot be allocated.

    Attributes:
        interface: its index in `AddressRequest.wanted`.
        address: the address that the user gave.
        fault: why not.
        detail: the party that has the address (HELD, PENDING), the other interface's index (TWICE), or what is wrong
            with the address itself (UNUSABLE).
    """

    interface: int
    address: int
    fault: Fault
    detail: Party | int | str


@dataclass(frozen=True, slots=True)
class Refused:
    """Nothing was allocated, because of these; at least one."""

    refusals: tuple[Refusal, ...]


@dataclass(frozen=True, slots=True)
class Exhausted:
    """Nothing was allocated: the pool has too few addresses left for the interfaces without one. Counts are addresses.

    Attributes:
        pool: the pool's ranges, as text.
        size: how many addresses it has.
        needed: how many of the request's interfaces had to be given one.
        missing: how many of these would have gone without.
        returning: how many addresses of the pool nobody holds and nobody can be given yet: allocated to objects that
            have not been seen, or released a while ago. Time alone may free them.
    """

    pool: str
    size: int
    needed: int
    missing: int
    returning: int


@dataclass(frozen=True, slots=True)
class InDoubt:
    """Nothing was allocated: it is not known yet who has an address that is needed. Asking again later is the remedy.

    Attributes:
        addresses: those that the user gave; empty where every address that might be free is in doubt.
    """

    addresses: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Unreserved:
    """Nothing was allocated yet: the Lease has to list these addresses first (rule 1); then ask again.

    Attributes:
        addresses: all that the request would be allocated, also what the Lease lists by chance: it has to do so still.
        automatic: how many interfaces of the request had no address of the user's choice.
        party: who asks.
    """

    addresses: tuple[int, ...]
    automatic: int
    party: Party


@dataclass(frozen=True, slots=True)
class OverBudget:
    """Nothing was allocated: too much is in flight already. Asking again later is the remedy.

    Attributes:
        namespace: of the object.
        new: how many addresses it would have added.
        in_flight: how many the namespace has in flight; all namespaces together where it is `overall`.
        limit: how many it may have.
        overall: whether the limit is that of all namespaces together.
    """

    namespace: str
    new: int
    in_flight: int
    limit: int
    overall: bool = False


@dataclass(frozen=True, slots=True)
class OverLimit:
    """Nothing was allocated: the namespace would have more addresses than it may.

    Attributes:
        namespace: of the object.
        new: how many addresses it would have added.
        used: how many the namespace has, held and in flight.
        limit: how many it may have.
    """

    namespace: str
    new: int
    used: int
    limit: Limit


Decision = Allocated | Refused | Exhausted | OverLimit
"""What a request ends with."""

Undecided = InDoubt | OverBudget
"""What has to be asked again later."""
