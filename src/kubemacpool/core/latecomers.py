"""Latecomers: parties that came past us to carry what another party had already (rule 2).

A party that has an address is not kept from it by whoever comes to carry it as well; a latecomer is. It is one until it
has the address no more, or nobody else does.
"""

from kubemacpool.core.parties import Party


class Latecomers:
    """Which parties are latecomers to which addresses."""

    def __init__(self) -> None:
        self._parties: dict[int, set[Party]] = {}

    def add(self, address: int, party: Party) -> None:
        """The party has come to carry what another has."""
        self._parties.setdefault(address, set()).add(party.as_machine())

    def remove(self, address: int, party: Party) -> None:
        """The party carries the address no more."""
        parties = self._parties.get(address, set())
        parties.discard(party.as_machine())
        if not parties:
            self._parties.pop(address, None)

    def any_of(self, address: int) -> Party | None:
        """One of those who came late to an address; all of them carry it."""
        return next(iter(self._parties.get(address, ())), None)

    def forget(self, address: int) -> None:
        """Nobody is a latecomer to the address any more."""
        self._parties.pop(address, None)

    def are_to(self, address: int, party: Party) -> bool:
        """Whether the party is one of them."""
        return party.as_machine() in self._parties.get(address, ())
