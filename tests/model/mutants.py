"""The rules, each left out once. A check that does not find a duplicate in every one of these checks nothing.

The switches are here, not in the product: a part of the core with one method written otherwise, or a law that the world
does not keep.
"""

from collections.abc import Collection, Iterable, Mapping
from typing import Final, NamedTuple

from tests.model.cluster import EVERY_LAW, Laws
from tests.model.frozen import LONG

from kubemacpool.core.allocations import ITS_OWN, Allocation, Terms
from kubemacpool.core.allocator import Allocator, LeaseUpdate
from kubemacpool.core.families import Families
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, Party
from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import AddressRequest, Decision, Undecided, Unreserved
from kubemacpool.core.reservations import Reservations


class NoNaming(Reservations):
    """Every address is open, whether the Lease lists it or not."""

    def __contains__(self, address: int) -> bool:
        del address
        return True


class NoDoubt(Reservations):
    """A write that leaves an address out is thought to have no effect before it is confirmed."""

    def begin_write(self, names: Collection[int]) -> None:
        """Doubt nothing."""


class NoSuspects(Allocator):
    """What the Lease lists at an acquisition is not in doubt."""

    def acquire(self, names: Iterable[int], last: int | None, now: float, *, first: bool = False) -> None:
        """Take the names over, and in doubt none."""
        super().acquire((), last, now, first=first)
        self.reservations.confirm(names)


class SeenByAnother(Ledger):
    """What the new leader sees held is not in doubt."""

    def inherit(self, in_doubt: Iterable[int], now: float, *, first: bool = False) -> None:
        """In doubt only what nobody is seen with."""
        super().inherit([address for address in in_doubt if not any(self.holders_of(address))], now, first=first)


class LeaveUnseen(Allocator):
    """An allocation in flight leaves the Lease."""

    def next_update(self, asked: Iterable[int], needed: int) -> LeaseUpdate:
        """List only the addresses in doubt of what is unseen."""
        names = super().next_update(asked, needed)
        return names._replace(
            reserved=names.reserved.difference(a for a in names.reserved if self.ledger.latest_allocation(a))
        )


class HandOverEmpty(Allocator):
    """Who hands over leaves nothing named."""

    def last_update(self) -> LeaseUpdate:
        """Name nothing, though something may be on its way."""
        return super().last_update()._replace(reserved=frozenset())


class RecreateUnnamed(Allocator):
    """A party is given what it holds without naming or recording it, though what was seen may be its last object."""

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        """Treat what the party holds as what the object carried."""
        held = {a for each in self.ledger.holders() if each.party == request.party for a in each.addresses}
        return super().decide(request._replace(carried=request.carried | held), now)


class SightingsUntold(Ledger):
    """A successor need not have seen what was seen."""

    @property
    def sighted(self) -> Mapping[str, int]:
        """Nothing."""
        return {}


class ProofsUntold(Ledger):
    """A successor need not have seen what was seen when something unseen ended."""

    def pass_barrier(self, moment: float, reached: Mapping[str, int] | None = None) -> None:
        """Do not say how far the view was."""
        del reached
        super().pass_barrier(moment)


def recorded(ledger: Ledger, address: int, party: Party) -> Allocation:
    """The allocate of an address to a party that was just recorded."""
    allocation = ledger._in_flight.to(address, party)
    assert allocation is not None
    return allocation


class NoInFlight(Ledger):
    """An allocate is not recorded: an address is taken only once its object has been seen."""

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Forget it at once."""


class SettleOnKnownUid(Ledger):
    """An allocate is settled by any object of its party, also by the one that was known at the allocation."""

    def _uids_carrying(self, address: int, awaited: Party, uid: str) -> frozenset[str]:
        del address, awaited, uid
        return frozenset()


class SettleOneOfSeveral(Ledger):
    """An allocate is settled by the first of its admissions that is seen."""

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Count one admission, however many there are."""
        super().allocate(address, party, now, terms)
        recorded(self, address, party).admissions = 1


class BoundFromFirstGrant(Ledger):
    """The bound of an address that is allocated again counts from the first allocation."""

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Leave the moment of an earlier allocation as it is."""
        earlier = self._in_flight.to(address, party)
        if earlier is None:
            super().allocate(address, party, now, terms)
        else:
            earlier.admissions += 1


class EditedAnnotation(Ledger):
    """A running pod holds what its annotation says now, and what its interfaces are reported to have."""

    def _retaining(self, holder: Holder, said: tuple[int, ...]) -> Holder:
        """Forget what it said before."""
        return super()._retaining(holder._replace(uid=f"{holder.uid}, saying {said}"), said)._replace(uid=holder.uid)


class Unreported(Ledger):
    """What a running pod's interfaces are reported to have is nothing to us."""

    def _retaining(self, holder: Holder, said: tuple[int, ...]) -> Holder:
        return super()._retaining(holder._replace(attached=None), said)


class UnrecordedWarn(Allocator):
    """What a policy lets through is treated as what the object carried: nothing is recorded."""

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        """Judge and record nothing of what is shared."""
        carried = request.carried | request.shared
        return super().decide(request._replace(carried=carried, shared=frozenset()), now)


class NeverExpires(Ledger):
    """An allocate whose object is never seen is kept for good. That makes no duplicate, but it leaks."""

    def pass_barrier(self, moment: float, reached: Mapping[str, int] | None = None) -> None:
        """End nothing."""


class Mutant(NamedTuple):
    """The core and the laws of its caller, with something left out or, as it stands, with nothing."""

    allocator: type[Allocator] = Allocator
    ledger: type[Ledger] = Ledger
    reservations: type[Reservations] = Reservations
    families: type[Families] = Families
    laws: Laws = EVERY_LAW

    def empty(self, pool: Pool, cool_down: float) -> Allocator:
        """A leader that knows nothing yet."""
        allocator = self.allocator(self.ledger(pool, in_flight_bound=LONG, cool_down=cool_down))
        if self.reservations is not Reservations:
            allocator.reservations = self.reservations()
        return allocator


UNCHANGED: Final = Mutant()

OF_ONE: Final[dict[str, Mutant]] = {
    "early-expiry": Mutant(laws=Laws(bound_before_proof=False)),
    "unproven-watch": Mutant(laws=Laws(proof_needs_view=False)),
    "release-on-terminating": Mutant(laws=Laws(terminating_still_holds=False)),
    "no-in-flight": Mutant(ledger=NoInFlight),
    "recreate-unnamed": Mutant(RecreateUnnamed),
    "settle-on-known-uid": Mutant(ledger=SettleOnKnownUid),
    "settle-one-of-several-admissions": Mutant(ledger=SettleOneOfSeveral),
    "bound-from-first-allocate": Mutant(ledger=BoundFromFirstGrant),
}
"""Those that make one leader alone allocate an address twice."""

EDITED_ANNOTATION: Final = Mutant(ledger=EditedAnnotation)
UNREPORTED: Final = Mutant(ledger=Unreported)
UNRECORDED_WARN: Final = Mutant(UnrecordedWarn)

OF_TWO: Final[dict[str, Mutant]] = {
    "no-naming": Mutant(reservations=NoNaming),
    "no-suspects": Mutant(NoSuspects),
    "blind-acquisition": Mutant(laws=Laws(view_reaches_lease=False)),
    "sightings-untold": Mutant(ledger=SightingsUntold),
    "proofs-untold": Mutant(ledger=ProofsUntold),
    "leave-unseen": Mutant(LeaveUnseen),
    "hand-over-empty": Mutant(HandOverEmpty),
    "early-expiry": OF_ONE["early-expiry"],
    "unproven-watch": OF_ONE["unproven-watch"],
    "stale-allocates": Mutant(laws=Laws(deposed_is_fenced=False)),
    "seen-by-another": Mutant(ledger=SeenByAnother),
    "recreate-unnamed": OF_ONE["recreate-unnamed"],
    "no-in-flight": OF_ONE["no-in-flight"],
}
"""Those that make two replicas allocate an address twice, though every write of the Lease is answered."""

OF_LOSSES: Final[dict[str, Mutant]] = {
    "no-doubt": Mutant(reservations=NoDoubt),
    "writes-without-version": Mutant(laws=Laws(writes_carry_version=False)),
}
"""Those that take writes of the Lease that are under way, or lost."""

OF_RESTORES: Final[dict[str, Mutant]] = {
    "rewound, not listed afresh": Mutant(laws=Laws(rewound_is_listed=False)),
    "rewound, not waited for": Mutant(laws=Laws(rewound_is_waited_for=False)),
}
"""Those that take a cluster that was restored from a backup."""
