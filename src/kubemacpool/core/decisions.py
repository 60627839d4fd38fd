"""What may be asked of a decider, and what it answers."""

import enum
from typing import Final, NamedTuple

from kubemacpool.core.parties import Party


class AddressRequest(NamedTuple):
    """Addresses for the interfaces of one object.

    Attributes:
        party: who would hold them.
        wanted: one item an interface, in the object's order: the address that the user gave, or None for any free one.
        carried: what the object carried before this request (`oldObject` of an update): nothing to decide about these.
        dry_run: decide the same, change nothing (rule 10).
    """

    party: Party
    wanted: tuple[int | None, ...]
    carried: frozenset[int] = frozenset()
    dry_run: bool = False


class Granted(NamedTuple):
    """Every interface has its address; same order as `AddressRequest.wanted`."""

    addresses: tuple[int, ...]


class Fault(enum.Enum):
    """Why an address that the user gave cannot be granted."""

    HELD = "held"
    PENDING = "pending"
    TWICE = "twice"
    UNUSABLE = "unusable"


MISTAKES: Final = frozenset({Fault.TWICE, Fault.UNUSABLE})
"""Faults of the request itself, whatever anybody else has."""


class Refusal(NamedTuple):
    """One interface whose address cannot be granted.

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


class Refused(NamedTuple):
    """Nothing was granted, because of these; at least one."""

    refusals: tuple[Refusal, ...]


class Exhausted(NamedTuple):
    """Nothing was granted: the pool has too few addresses left for the interfaces without one. Counts are addresses.

    Attributes:
        pool: the pool's ranges, as text.
        size: how many addresses it has.
        needed: how many of the request's interfaces had to be given one.
        missing: how many of these would have gone without.
        returning: how many addresses of the pool nobody holds and nobody can be given yet: granted to objects that have
            not been seen, or released a while ago. Time alone may free them.
    """

    pool: str
    size: int
    needed: int
    missing: int
    returning: int


Decision = Granted | Refused | Exhausted
