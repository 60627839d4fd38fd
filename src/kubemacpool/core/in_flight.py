"""Grants in flight: those whose objects have not been seen, by address and party.

Where a policy lets it, several parties have one of the same address; each ends by itself (rules 3, 5 and 12). A
VirtualMachine and the instance of its name have one together: their launcher pods cannot be told apart.
"""

from collections import OrderedDict
from collections.abc import Collection, Iterator, Mapping

from kubemacpool.core.counts import add
from kubemacpool.core.grants import Grant
from kubemacpool.core.parties import Party


class InFlight:
    """All grants in flight, in the order of `granted_at`."""

    def __init__(self) -> None:
        # An ordered dict where the oldest goes first: a plain one passes over all that was deleted at its front.
        self._grants: OrderedDict[tuple[int, Party], Grant] = OrderedDict()
        self._parties: dict[int, dict[Party, None]] = {}
        self._named: dict[int, int] = {}  # by address, how many grants of it the Lease has to name
        self._by_namespace: dict[str, int] = {}  # how many of these are to parties of each
        self._in: dict[str, dict[int, int]] = {}  # by namespace, how many grants to its parties are of each address

    def of(self, address: int) -> Iterator[Grant]:
        """Every grant of an address, the latest party's last."""
        return (self._grants[address, party] for party in self._parties.get(address, ()))

    def to(self, address: int, party: Party) -> Grant | None:
        """The grant of an address to a party."""
        return self._grants.get((address, party.as_machine()))

    def add(self, address: int, grant: Grant) -> None:
        """Record a grant later than all others, in place of what its party had of the address."""
        self.end(address, grant.party)
        party = grant.party.as_machine()
        self._grants[address, party] = grant
        self._parties.setdefault(address, {})[party] = None
        self._count(address, grant, 1)

    def add_oldest(self, address: int, grant: Grant) -> None:
        """Record a grant earlier than all others, to a party that has none of the address."""
        party = grant.party.as_machine()
        self._grants[address, party] = grant
        self._grants.move_to_end((address, party), last=False)
        self._parties[address] = {party: None, **self._parties.get(address, {})}
        self._count(address, grant, 1)

    def end(self, address: int, party: Party) -> None:
        """Forget the grant of an address to a party, if there is one."""
        party = party.as_machine()
        grant = self._grants.pop((address, party), None)
        if grant is None:
            return
        parties = self._parties[address]
        del parties[party]
        if not parties:
            del self._parties[address]
        self._count(address, grant, -1)

    def end_up_to(self, moment: float) -> list[int]:
        """Forget all grants that were made until then; says of which addresses they were."""
        ended: list[int] = []
        while (oldest := self.oldest()) is not None and oldest[1].granted_at <= moment:
            address, grant = oldest
            self.end(address, grant.party)
            ended.append(address)
        return ended

    def clear(self) -> None:
        """Forget all."""
        self._grants.clear()
        self._parties.clear()
        self._named.clear()
        self._by_namespace.clear()
        self._in.clear()

    def oldest(self) -> tuple[int, Grant] | None:
        """The grant that was made first, and of which address it is."""
        return next(iter(self), None)

    @property
    def named_count(self) -> int:
        """How many addresses the Lease has to name."""
        return len(self._named)

    def by_namespace(self) -> Mapping[str, int]:
        """How many grants that the Lease has to name are to parties of each namespace."""
        return self._by_namespace

    def addresses_in(self, namespace: str) -> Collection[int]:
        """Every address in flight to a party of the namespace, once."""
        return self._in.get(namespace, {}).keys()

    def addresses(self) -> Iterator[int]:
        """Every address in flight, once."""
        return iter(self._parties)

    def __iter__(self) -> Iterator[tuple[int, Grant]]:
        """Every grant, and of which address it is, the oldest first."""
        return ((address, grant) for (address, _), grant in self._grants.items())

    def __contains__(self, address: int) -> bool:
        return address in self._parties

    def __len__(self) -> int:
        """How many addresses are in flight."""
        return len(self._parties)

    def _count(self, address: int, grant: Grant, one: int) -> None:
        namespace = grant.party.namespace
        there = self._in.setdefault(namespace, {})
        add(there, address, one)
        if not there:
            del self._in[namespace]
        if not grant.terms.tacit:
            add(self._named, address, one)
            add(self._by_namespace, namespace, one)
