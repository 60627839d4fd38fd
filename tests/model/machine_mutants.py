"""The rules for parties of several objects, each left out once (see `mutants`)."""

from collections.abc import Iterable
from typing import Final

from tests.model.cluster import Laws
from tests.model.mutants import Mutant, SettleOnKnownUid, recorded

from kubemacpool.core.allocations import ITS_OWN, Terms
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families, _Life
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, Holder, Party
from kubemacpool.core.requests import AddressRequest


class TacitAlways(Allocator):
    """A dependent object is allocated everything without a name."""

    def _held_through_others(self, request: AddressRequest, addresses: Iterable[int]) -> frozenset[int]:
        return frozenset() if request.dependent is None else frozenset(addresses)


class AwaitsTheParty(Ledger):
    """A named allocate to a dependent object awaits any object of its party's own name."""

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Forget whom it was for."""
        super().allocate(address, party, now, terms if terms.implicit else terms._replace(dependent=None))


class SettlesInOffice(Ledger):
    """A launcher pod that is seen ends an allocation, though an earlier leader may have made another implicitly."""

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Count what we allocated ourselves only."""
        earlier = self._in_flight.to(address, party)
        admissions = 1 if earlier is None else earlier.admissions + 1
        super().allocate(address, party, now, terms)
        recorded(self, address, party).admissions = admissions


class DepartedBefore(Ledger):
    """What a machine's objects left before the acquisition is on its way to nobody."""

    def inherit(self, in_doubt: Iterable[int], now: float, *, first: bool = False) -> None:
        """Forget the departures."""
        for address, party in list(self._departures):
            self._departures.forget(address, party)
        super().inherit(in_doubt, now, first=first)


class DepartedSince(Ledger):
    """Nor is what they leave soon after it."""

    def _cool(self, addresses: Iterable[int], holder: Holder, now: float) -> None:
        inherited, self._inherited_at = self._inherited_at, None
        super()._cool(addresses, holder, now)
        self._inherited_at = inherited


class GivenEarly(Ledger):
    """A machine's address is given before its cool-down has passed, as a pod's is."""

    def _cool(self, addresses: Iterable[int], holder: Holder, now: float) -> None:
        super()._cool(addresses, holder._replace(party=holder.party._replace(kind=POD), owned=False), now)


class UidUnchecked(Families):
    """A reference counts by the name of the owner alone."""

    def _led_by(self, owner: _Life) -> Party | None:
        return next((party for life, party in self._led.items() if life.key == owner.key), None)


class Unentitled(Ledger):
    """Nobody has a right to what it has."""

    def is_entitled(self, address: int, party: Party) -> bool:
        """No."""
        del address, party
        return False


UNENTITLED: Final = Mutant(ledger=Unentitled)
UID_UNCHECKED: Final = Mutant(families=UidUnchecked)
GIVEN_EARLY: Final = Mutant(ledger=GivenEarly)
AWAITS_THE_PARTY: Final = Mutant(ledger=AwaitsTheParty)
SETTLE_ON_KNOWN_UID: Final = Mutant(ledger=SettleOnKnownUid)
TACIT_ALWAYS: Final = Mutant(TacitAlways)
SETTLES_IN_OFFICE: Final = Mutant(ledger=SettlesInOffice)
DEPARTED_BEFORE: Final = Mutant(ledger=DepartedBefore)
DEPARTED_SINCE: Final = Mutant(ledger=DepartedSince)
NEVER_SAW_THE_MACHINE: Final = Mutant(laws=Laws(successors_have_followed=False))
