"""What may be asked of a decider, and what it answers."""

import enum
from typing import NamedTuple

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
    """Nothing was granted: the pool has no address left for an interface without one. Counts are addresses.

    Attributes:
        pool: the pool's ranges, as text.
        size: how many addresses it has.
        missing: how many of the request's interfaces would have gone without.
        cooling: how many addresses will be free again without anybody's doing.
        pending: how many are granted to objects that have not been seen yet.
    """

    pool: str
    size: int
    missing: int
    cooling: int
    pending: int


Decision = Granted | Refused | Exhausted
