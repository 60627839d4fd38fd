"""What the ledger remembers of addresses that nobody is seen with: allocations in flight, cool-downs and departures."""

from collections import OrderedDict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, NamedTuple

from kubemacpool.core.counts import add
from kubemacpool.core.parties import POD, Holder, Party

GIVEN_EARLY: Final = frozenset({POD})
"""Kinds of party whose released addresses may be given before their cool-down has passed (rule 8).

A VirtualMachine's may not: only the cool-down covers what another of its objects still has in flight (rule 2).
"""


class Terms(NamedTuple):
    """On what terms a party is allocated an address.

    Attributes:
        dependent: the object that is awaited, as a party of its own, where it is not the party's.
        implicit: whether the Lease need not list it, because others of the party hold the address (rule 2).
        shared: whether a policy lets the party have it beside another that has it (rule 12).
        uid: of the object that is awaited, where it exists already.
    """

    dependent: Party | None = None
    implicit: bool = False
    shared: bool = False
    uid: str = ""


ITS_OWN: Final = Terms()
"""To the party's own object, reserved, and to nobody beside it."""


@dataclass(slots=True)
class Allocation:
    """An allocation in flight: its object has not been observed, and may still be persisted.

    Attributes:
        party: who may use the address.
        allocated_at: when it was last allocated.
        admissions: how many admissions of this party may be in flight with the address.
        known_uids: of the objects that carried the address at the allocation already, though they might be the one that
            is awaited; seeing them again says nothing about the admission in flight.
        terms: on which it was made.
        assumed: whether a leader before us may have made it, and nobody knows; none was made by us.
    """

    party: Party
    allocated_at: float
    admissions: int
    known_uids: frozenset[str] = frozenset()
    terms: Terms = ITS_OWN
    assumed: bool = False

    @property
    def awaited(self) -> Party:
        """The object that is awaited."""
        return self.party if self.terms.dependent is None else self.terms.dependent

    def awaits(self, holder: Holder) -> bool:
        """Whether this may be the object that is awaited."""
        return self.awaited.owns(holder.key) and self.terms.uid in {"", holder.uid}


class Cooling(NamedTuple):
    """An address that nobody holds any more, kept back for a while."""

    since: float
    kind: str
    """The kind of the party that held it last; decides whether the address may be given early (rule 8)."""


class Departures:
    """Which parties of several objects have left which addresses, with their last object, not long ago.

    While others of its party hold an address, a launcher pod is allocated it implicitly. A new leader does not
    know of that; it knows, from here, who may have been allocated what.
    """

    def __init__(self, seconds: float) -> None:
        """Remember a departure for so long.

        Args:
            seconds: twice the in-flight bound. A leader may see an object go later than we do, by less than a bound,
                and what it allocates until then may be in flight for a bound.
        """
        self._seconds = seconds
        self._since: OrderedDict[tuple[int, Party], float] = OrderedDict()  # in the order of the moments

    def note(self, address: int, party: Party, now: float) -> None:
        """The party's last object that carried the address is gone, whoever else carries it."""
        self._since.pop((address, party), None)
        self._since[address, party] = now

    def forget(self, address: int, party: Party) -> None:
        """The party carries the address again: the replica that allocated it knew what was in flight."""
        self._since.pop((address, party), None)

    def end(self, now: float) -> None:
        """Forget what is long ago."""
        while self._since:
            departure, since = next(iter(self._since.items()))
            if since + self._seconds > now:
                return
            del self._since[departure]

    def __iter__(self) -> Iterator[tuple[int, Party]]:
        return iter(self._since)


class InFlight:
    """All allocations in flight, in the order of `allocated_at`."""

    def __init__(self) -> None:
        # An ordered dict where the oldest goes first: a plain one passes over all that was deleted at its front.
        self._allocations: OrderedDict[tuple[int, Party], Allocation] = OrderedDict()
        self._parties: dict[int, dict[Party, None]] = {}
        self._reserved: dict[int, int] = {}  # by address, how many allocations of it the Lease has to list
        self._by_namespace: dict[str, int] = {}  # how many of these are to parties of each
        self._in: dict[
            str, dict[int, int]
        ] = {}  # by namespace, how many allocations to its parties are of each address

    def of(self, address: int) -> Iterable[Allocation]:
        """Every allocation of an address, the latest party's last."""
        parties = self._parties.get(address, ())
        if len(parties) > 1:
            return (self._allocations[address, party] for party in parties)
        return [self._allocations[address, party] for party in parties]  # nearly always: none, or one

    def to(self, address: int, party: Party) -> Allocation | None:
        """The allocation of an address to a party."""
        return self._allocations.get((address, party.as_machine()))

    def add(self, address: int, allocation: Allocation) -> None:
        """Record an allocation later than all others, in place of what its party had of the address."""
        party = allocation.party.as_machine()
        if (address, party) in self._allocations:
            self.end(address, party)
        self._allocations[address, party] = allocation
        self._parties.setdefault(address, {})[party] = None
        self._count(address, allocation, 1)

    def add_oldest(self, address: int, allocation: Allocation) -> None:
        """Record an allocation earlier than all others, to a party that has none of the address."""
        party = allocation.party.as_machine()
        self._allocations[address, party] = allocation
        self._allocations.move_to_end((address, party), last=False)
        self._parties[address] = {party: None, **self._parties.get(address, {})}
        self._count(address, allocation, 1)

    def end(self, address: int, party: Party) -> None:
        """Forget the allocation of an address to a party, which there is."""
        party = party.as_machine()
        allocation = self._allocations.pop((address, party))
        parties = self._parties[address]
        del parties[party]
        if not parties:
            del self._parties[address]
        self._count(address, allocation, -1)

    def end_up_to(self, moment: float) -> list[int]:
        """Forget all allocations that were made until then; says of which addresses they were."""
        ended: list[int] = []
        while (oldest := self.oldest()) is not None and oldest[1].allocated_at <= moment:
            address, allocation = oldest
            self.end(address, allocation.party)
            ended.append(address)
        return ended

    def clear(self) -> None:
        """Forget all."""
        self._allocations.clear()
        self._parties.clear()
        self._reserved.clear()
        self._by_namespace.clear()
        self._in.clear()

    def oldest(self) -> tuple[int, Allocation] | None:
        """The allocation that was made first, and of which address it is."""
        return next(iter(self), None)

    @property
    def reserved_count(self) -> int:
        """How many addresses the Lease has to list."""
        return len(self._reserved)

    def by_namespace(self) -> Mapping[str, int]:
        """How many allocations that the Lease has to list are to parties of each namespace."""
        return self._by_namespace

    def addresses_in(self, namespace: str) -> Collection[int]:
        """Every address in flight to a party of the namespace, once."""
        return self._in.get(namespace, {}).keys()

    def addresses(self) -> Iterator[int]:
        """Every address in flight, once."""
        return iter(self._parties)

    def __iter__(self) -> Iterator[tuple[int, Allocation]]:
        """Every allocation, and of which address it is, the oldest first."""
        return ((address, allocation) for (address, _), allocation in self._allocations.items())

    def __contains__(self, address: int) -> bool:
        return address in self._parties

    def __len__(self) -> int:
        """How many addresses are in flight."""
        return len(self._parties)

    def _count(self, address: int, allocation: Allocation, one: int) -> None:
        namespace = allocation.party.namespace
        there = self._in.setdefault(namespace, {})
        add(there, address, one)
        if not there:
            del self._in[namespace]
        if not allocation.terms.implicit:
            add(self._reserved, address, one)
            add(self._by_namespace, namespace, one)
