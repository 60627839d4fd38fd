"""A leader as a value: frozen into a tuple that can be hashed and compared, and thawed into one that decides.

What is frozen is what the leader knows, not what it keeps for finding it quickly: that is built anew by thawing, and
`check` compares it with a recount. Moments are small numbers that the caller counts. Those of cool-downs become ranks,
for only their order matters. That a bound or a cool-down has passed is a step of its own.
"""

from collections.abc import Iterable
from typing import Final, NamedTuple

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocations import GIVEN_EARLY, Allocation, Cooling, Terms
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families, _Life, _Member
from kubemacpool.core.holders import Latecomers
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, Holder, ObjectKey, Party
from kubemacpool.core.retention import Tenure

NOW: Final = 1_000.0
"""The moment of every sighting; later than every rank, and less than `LONG` after the earliest."""

LONG: Final = 1_000_000.0
"""The in-flight bound and the cool-down: neither passes of itself."""

KNOWN: Final = {
    "Allocator": {"ledger", "reservations", "_block"},
    "Ledger": {
        "_holders",
        "_in_flight",
        "_cooling",
        "_in_doubt",
        "_inherited_at",
        "_departures",
        "_given_early",
        "_latecomers",
        "_tenures",
        "_leading",
    },
    "Families": {"_members", "_led"},
    "Reservations": {"_reserved", "_doubtful"},
    "Block": {"_reserved", "last", "_end"},
}
"""By class, the attributes that are frozen."""

LEFT_OUT: Final = {
    "Ledger": {
        "in_flight_bound": "always LONG",
        "cool_down": "the same in all states of one search",
        "pool": "the same in all states of one search",
        "_machines": "found anew from _holders",
        "_carriers": "found anew from _holders",
        "_attached": "found anew from _holders",
        "_collisions": "found anew from _holders; who is told of them is nothing that is decided by",
        "_unity": "nothing migrates in the world of the model",
        "_returning": "found anew from all the others",
        "_withheld": "everything is taken into the books in the world of the model",
        "_occupancy": "found anew from all the others",
        "_sighted": "the world keeps it, as a place in its log; `CoreStates` tells when it changes",
    },
    "Families": {
        "_children": "found anew from _members",
    },
    "Block": {
        "_ledger": "the leader's own",
        "_set_aside": "says only when a write would be convenient; in the world one may happen at any time",
    },
}
"""By class, the attributes that are not frozen, and why not."""


class FrozenGrant(NamedTuple):
    """A in flight allocation."""

    address: int
    party: Party
    moment: int
    admissions: int
    known_uids: frozenset[str]
    terms: Terms
    assumed: bool


class FrozenCooling(NamedTuple):
    """An address that cools down."""

    address: int
    rank: int
    kind: str


class FrozenAllocator(NamedTuple):
    """All that a leader knows, in an order that does not depend on how it came to know it."""

    holders: tuple[Holder, ...] = ()
    tenures: tuple[tuple[ObjectKey, Tenure], ...] = ()
    leading: bool = False
    in_flight: tuple[FrozenGrant, ...] = ()
    cooling: tuple[FrozenCooling, ...] = ()
    given_early: tuple[int, ...] = ()
    in_doubt: tuple[int, ...] = ()
    inherited_at: int | None = None
    departures: tuple[tuple[int, Party], ...] = ()
    latecomers: tuple[tuple[int, Party], ...] = ()
    reserved: frozenset[int] = frozenset()
    doubtful: frozenset[int] = frozenset()
    set_aside: tuple[int, ...] = ()
    last: int = -1
    end: int = -1

    def __str__(self) -> str:
        held = [f"{holder.key.name}({holder.uid}): {row(holder.addresses)}" for holder in self.holders]
        in_flight = [
            f"{format_address(allocation.address)[-2:]} for {allocation.party} x{allocation.admissions}"
            for allocation in self.in_flight
        ]
        cooling = row(each.address for each in self.cooling)
        return (
            f"held {held}, in flight {in_flight}, cooling {cooling}, in doubt {row(self.in_doubt)}, "
            f"named {row(self.reserved)} less {row(self.doubtful)}, set aside {row(self.reserved)}"
        )


class FrozenFamilies(NamedTuple):
    """Who belongs to whom, in an order that does not depend on how it came to be known."""

    members: tuple[_Member, ...] = ()
    led: tuple[tuple[_Life, Party], ...] = ()


def freeze_families(families: Families) -> FrozenFamilies:
    """Who belongs to whom, as a value."""
    return FrozenFamilies(
        tuple(sorted(families._members.values())),
        tuple(sorted(families._led.items())),
    )


def thaw_families(frozen: FrozenFamilies, families: Families) -> Families:
    """Make empty families know what was frozen."""
    for member in frozen.members:
        families._members[member.life.key] = member
        if member.owner is not None:
            families._children.setdefault(member.owner, {})[member.life.key] = None
    families._led.update(frozen.led)
    return families


def freeze(allocator: Allocator) -> FrozenAllocator:
    """What a leader knows, as a value."""
    ledger, reservations, block = allocator.ledger, allocator.reservations, allocator._block
    ranks = {since: rank for rank, since in enumerate(sorted({each.since for each in ledger._cooling.values()}))}
    return FrozenAllocator(
        tuple(sorted(ledger._holders.values())),
        tuple(sorted(ledger._tenures.items())),
        ledger._leading,
        tuple(
            FrozenGrant(
                address,
                allocation.party,
                int(allocation.allocated_at),
                allocation.admissions,
                allocation.known_uids,
                allocation.terms,
                allocation.assumed,
            )
            for address, allocation in ledger._in_flight
        ),
        tuple(
            FrozenCooling(address, ranks[cooling.since], cooling.kind) for address, cooling in ledger._cooling.items()
        ),
        tuple(ledger._given_early),
        tuple(sorted(ledger._in_doubt)),
        None if ledger._inherited_at is None else int(ledger._inherited_at),
        tuple(ledger._departures),
        tuple(sorted((each, party) for each, late in ledger._latecomers._parties.items() for party in late)),
        reservations._reserved,
        reservations._doubtful,
        tuple(block._reserved),
        block.last,
        block._end,
    )


def thaw(frozen: FrozenAllocator, allocator: Allocator) -> Allocator:
    """Make an empty leader know what was frozen."""
    ledger, reservations, block = allocator.ledger, allocator.reservations, allocator._block
    for holder in frozen.holders:
        ledger._holders[holder.key] = holder
        ledger._take(None, holder)
    ledger._latecomers = Latecomers()
    ledger._tenures.update(frozen.tenures)
    ledger._leading = frozen.leading
    for allocation in frozen.in_flight:
        ledger._in_flight.add(
            allocation.address,
            Allocation(
                allocation.party,
                float(allocation.moment),
                allocation.admissions,
                allocation.known_uids,
                allocation.terms,
                allocation.assumed,
            ),
        )
    for cooling in frozen.cooling:
        ledger._cooling[cooling.address] = Cooling(float(cooling.rank), cooling.kind)
    ledger._in_doubt = dict.fromkeys(frozen.in_doubt)
    ledger._inherited_at = None if frozen.inherited_at is None else float(frozen.inherited_at)
    for address, party in frozen.departures:
        ledger._departures.note(address, party, NOW)
    for address, party in frozen.latecomers:
        ledger._latecomers.add(address, party)
    for address in {*ledger._in_flight.addresses(), *ledger._cooling, *ledger._in_doubt}:
        ledger._mark(address)
    for address in frozen.given_early:
        ledger._given_early.move_to_end(address)
    reservations._reserved, reservations._doubtful = frozen.reserved, frozen.doubtful
    block._reserved = dict.fromkeys(frozen.set_aside)
    block.last, block._end = frozen.last, frozen.end
    return allocator


def check(allocator: Allocator) -> None:
    """Compare what the ledger keeps for finding things quickly with a recount of the whole pool."""
    ledger, pool = allocator.ledger, allocator.ledger.pool
    carriers: dict[int, set[str]] = {}
    for holder in ledger._holders.values():
        assert not set(holder.addresses).intersection(holder.attached or ())
        for address in holder.addresses + (holder.attached or ()):
            carriers.setdefault(address, set()).add(str(holder.key))
    held = {*ledger._carriers, *ledger._attached}
    assert {each: {str(holder.key) for holder in ledger.holders_of(each)} for each in held} == carriers
    assert all(
        ledger._tenures[holder.key].carried == holder.addresses
        for holder in ledger._holders.values()
        if holder.key.kind == POD
    )
    in_use = {*carriers, *ledger._in_flight.addresses(), *ledger._in_doubt}
    taken = {position for address in {*in_use, *ledger._cooling} if (position := pool.position_of(address)) is not None}
    assert ledger.free_count == pool.size - len(taken)
    for position in range(pool.size):
        rest = (each % pool.size for each in range(position, position + pool.size))
        assert ledger.next_free(position) == next((each for each in rest if each not in taken), None)
        assert ledger.is_free(pool.address_at(position)) == (position not in taken)
    early = {address for address, _ in ledger.coolest()}
    assert early == {
        address
        for address, cooling in ledger._cooling.items()
        if cooling.kind in GIVEN_EARLY and address in pool and address not in in_use
    }
    assert ledger.returning_count == sum(pool.address_at(each) not in {*carriers, *early} for each in taken)
    parties: dict[int, set[Party]] = {}
    for holder in ledger._holders.values():
        for address in holder.addresses if holder.key.kind != VIRTUAL_MACHINE else ():
            parties.setdefault(address, set()).add(holder.party)
    assert ledger.collisions().keys() == {address for address, sharing in parties.items() if len(sharing) > 1}
    assert set(ledger.unseen()) == {
        *(address for address, allocation in ledger._in_flight if not allocation.terms.implicit),
        *ledger._in_doubt,
    }
    allocated = [allocation.allocated_at for _, allocation in ledger._in_flight]
    assert allocated == sorted(allocated)
    allocations = sorted((address, allocation.party) for address, allocation in ledger._in_flight)
    assert allocations == sorted(
        (a, each.party) for a in ledger._in_flight.addresses() for each in ledger._in_flight.of(a)
    )
    since = [cooling.since for cooling in ledger._cooling.values()]
    assert since == sorted(since)


def row(addresses: Iterable[int]) -> str:
    """Addresses by their last two digits."""
    return "[" + ", ".join(format_address(address)[-2:] for address in addresses) + "]"
