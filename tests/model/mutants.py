"""The rules, each left out once. A check that does not find a duplicate in every one of these checks nothing."""

from typing import Final, NamedTuple

from tests.model.world import EVERY_LAW, Laws

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party


class Unmutated(Ledger):
    """The ledger as it is."""


class NoPending(Ledger):
    """A grant is not recorded: an address is taken only once its object has been seen."""

    def grant(self, address: int, party: Party, now: float) -> None:
        """Forget it at once."""


class RecreateUnnamed(Ledger):
    """A party that holds an address is given it again without a record, though what was seen may be its last object."""

    def grant(self, address: int, party: Party, now: float) -> None:
        """Record only what the party does not hold already."""
        if all(holder.party != party for holder in self.holders_of(address)):
            super().grant(address, party, now)


class SettleOnKnownUid(Ledger):
    """A grant is settled by any object of its party, also by the one that was known at the grant."""

    def _uid_carrying(self, address: int, party: Party) -> str:
        del address, party
        return ""


class SettleOneOfSeveral(Ledger):
    """A grant is settled by the first of its admissions that is seen."""

    def grant(self, address: int, party: Party, now: float) -> None:
        """Count one admission, however many there are."""
        super().grant(address, party, now)
        self._pending[address].admissions = 1


class BoundFromFirstGrant(Ledger):
    """The bound of an address that is granted again counts from the first grant."""

    def grant(self, address: int, party: Party, now: float) -> None:
        """Leave the moment of an earlier grant as it is."""
        earlier = self.pending(address)
        if earlier is None:
            super().grant(address, party, now)
        else:
            earlier.admissions += 1


class NeverExpires(Ledger):
    """A grant whose object is never seen is kept for good. That makes no duplicate, but it leaks."""

    def prove(self, moment: float) -> None:
        """End nothing."""


class Mutant(NamedTuple):
    """What is left out: in the ledger, or in what its caller keeps to."""

    ledger: type[Ledger] = Unmutated
    laws: Laws = EVERY_LAW


MUTANTS: Final[dict[str, Mutant]] = {
    "early-expiry": Mutant(laws=Laws(bound_before_proof=False)),
    "unproven-watch": Mutant(laws=Laws(proof_needs_view=False)),
    "release-on-terminating": Mutant(laws=Laws(terminating_still_holds=False)),
    "no-pending": Mutant(NoPending),
    "recreate-unnamed": Mutant(RecreateUnnamed),
    "settle-on-known-uid": Mutant(SettleOnKnownUid),
    "settle-one-of-several-admissions": Mutant(SettleOneOfSeveral),
    "bound-from-first-grant": Mutant(BoundFromFirstGrant),
}
