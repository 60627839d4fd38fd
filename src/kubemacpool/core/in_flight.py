"""Grants in flight: those whose objects have not been seen, by address and party.

Where a policy lets it, several parties have one of the same address; each ends by itself (rules 3, 5 and 12). A
VirtualMachine and the instance of its name have one together: their launcher pods cannot be told apart.
"""

from collections import OrderedDict
from collections.abc import Iterator

from kubemacpool.core.grants import Grant
from kubemacpool.core.parties import Party


class InFlight:
    """All grants in flight, in the order of `granted_at`."""

    def __init__(self) -> None:
        # An ordered dict where the oldest goes first: a plain one passes over all that was deleted at its front.
        self._grants: OrderedDict[tuple[int, Party], Grant] = OrderedDict()
        self._parties: dict[int, tuple[Party, ...]] = {}

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
        self._parties[address] = (*self._parties.get(address, ()), party)

    def add_oldest(self, address: int, grant: Grant) -> None:
        """Record a grant earlier than all others, to a party that has none of the address."""
        party = grant.party.as_machine()
        self._grants[address, party] = grant
        self._grants.move_to_end((address, party), last=False)
        self._parties[address] = (party, *self._parties.get(address, ()))

    def end(self, address: int, party: Party) -> None:
        """Forget the grant of an address to a party, if there is one."""
        party = party.as_machine()
        if self._grants.pop((address, party), None) is None:
            return
        left = tuple(other for other in self._parties[address] if other != party)
        if left:
            self._parties[address] = left
        else:
            del self._parties[address]

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

    def oldest(self) -> tuple[int, Grant] | None:
        """The grant that was made first, and of which address it is."""
        return next(iter(self), None)

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
