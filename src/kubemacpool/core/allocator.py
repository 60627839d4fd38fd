"""The decider: grants addresses, and refuses those that somebody else has.

One call, one step: nothing in here waits, so a decision and its record cannot be torn apart (rule 11).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from kubemacpool.core.addresses import AddressError, check_interface_address
from kubemacpool.core.allocations import Terms
from kubemacpool.core.budgets import MOST_NAMES, Budgets, over_limit
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import (
    AddressRequest,
    Decision,
    Exhausted,
    Fault,
    Granted,
    OverBudget,
    Refusal,
    Refused,
    Suspect,
    Undecided,
    Unnamed,
)
from kubemacpool.core.reservations import Openings, Stretch

LONGEST_STRETCH: Final = 2048
"""Addresses set aside at a time: at 400 pods a second with two interfaces each, two and a half seconds' worth, which is
two renewals of the Lease."""

POOL_SHARE: Final = 16
"""The stretch is no more than this part of its pool, so that a crash leaves little suspect."""


class Names(NamedTuple):
    """What a write of the Lease should say.

    Attributes:
        open: every address that may be granted without having been seen, from the moment the write is confirmed.
        seen: by kind, the resourceVersion that a successor's view must have reached (rule 3).
        last: the address that was given last to somebody who asked for any; None where there was none yet.
        complete: whether it takes all into account that was asked; if not, too many addresses are on their way.
    """

    open: frozenset[int]
    seen: dict[str, int]
    last: int | None
    complete: bool


class Decider:
    """A ledger, what the Lease allows to be granted from it, and the stretch set aside for those who ask for any."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.openings = Openings()
        self._stretch = Stretch(ledger)

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unnamed:
        """Grant every interface its address, or none (rule 2).

        A dry run is told what would be granted once it was named (rule 10): naming changes the Lease.

        Args:
            request: who asks for what.
            now: seconds on the monotonic clock.
        """
        refusals = self._refusals(request)
        if refusals:
            return Refused(refusals)
        over = over_limit(self.ledger, request)
        if over is not None:
            return over
        suspects = self._suspects(request)
        if suspects:
            return Suspect(suspects)
        self.ledger.end_cooling(now)  # time did it, not this request: so for a dry run as well
        chosen = self._choose(request)
        missing = chosen.count(None)
        if missing:
            return self._exhausted(request, missing)
        return self._grant(request, tuple(address for address in chosen if address is not None), now)

    def take_over(self, names: Iterable[int], last: int | None, now: float, *, first: bool = False) -> None:
        """The Lease is ours, and names these (rule 4).

        Args:
            names: every address that it names; all of them are suspect.
            last: the address that the decider before us gave last to somebody who asked for any.
            now: when the takeover was confirmed, seconds on the monotonic clock.
            first: whether nobody has decided before.
        """
        suspects = frozenset(names)
        self.ledger.inherit(suspects, now, first=first)
        self.openings.confirm(suspects)
        if last is not None:
            self._stretch.go_on_after(last)

    def step_down(self) -> None:
        """Somebody else decides: nothing is open to us any more."""
        self.openings.close()
        self._stretch.give_back()
        self.ledger.renounce()

    def fitting(self, granted: Iterable[Unnamed], asked: Iterable[Unnamed]) -> list[OverBudget | None]:
        """What of these requests the next write of the Lease may take into account, so that none is in others' way.

        Args:
            granted: those that a write has taken into account, and that have not been decided anew yet.
            asked: those that wait for one.

        Returns:
            For each that waits, in order, why it may not; None if it may.
        """
        budgets = Budgets(self.ledger)
        for each in granted:
            budgets.add(each)
        found: list[OverBudget | None] = []
        for each in asked:
            over = budgets.judge(each.party, each.addresses, each.automatic)
            if over is None:
                budgets.add(each)
            found.append(over)
        return found

    def names(self, asked: Iterable[int], needed: int) -> Names:
        """What the next write of the Lease should say, while we go on deciding (rules 1 and 3).

        Args:
            asked: addresses that requests are waiting for by name.
            needed: how many more interfaces of waiting requests have no address of the user's choice.
        """
        ledger = self.ledger
        named = frozenset(asked)
        unseen = ledger.unseen_count
        complete = unseen + len(named) <= MOST_NAMES
        if not complete:
            named, needed = frozenset(), 0
        room = MOST_NAMES - unseen - len(named)
        self._stretch.resize(min(room, max(self._usual_length, needed)))
        reserved = self._stretch.reserved()
        early = islice(ledger.coolest(), max(0, min(room, needed) - len(reserved)))
        return self._names((*named, *reserved, *(address for address, _ in early)), complete=complete)

    def last_names(self) -> Names:
        """What the last write should say, by which we hand over: nothing is set aside any more (rule 7)."""
        return self._names((), complete=True)

    @property
    def is_short(self) -> bool:
        """Whether the stretch is nearly used up, so that the Lease had better be written soon."""
        return self._stretch.is_short

    def replace_pool(self, pool: Pool) -> None:
        """Grant from another pool from now on.

        The search goes on after the address that it gave last, unless the pool wants it to begin somewhere else.
        """
        if pool.beginning != self.ledger.pool.beginning:
            self._stretch.begin_anew()
        self.ledger.replace_pool(pool)

    @property
    def _usual_length(self) -> int:
        """How many addresses are set aside when nobody waits for more."""
        return max(1, min(LONGEST_STRETCH, self.ledger.pool.size // POOL_SHARE))

    def _names(self, names: Iterable[int], *, complete: bool) -> Names:
        last = self._stretch.last
        needed = {*names, *self.ledger.unseen()}
        orphaned = islice(self.ledger.orphaned(), max(0, MOST_NAMES - len(needed)))
        return Names(frozenset((*needed, *orphaned)), dict(self.ledger.sighted), last if last >= 0 else None, complete)

    def _grant(self, request: AddressRequest, addresses: tuple[int, ...], now: float) -> Granted | OverBudget | Unnamed:
        """Grant these, one an interface, if the Lease names them and nobody else needs the room there more."""
        granted = tuple(address for address in addresses if address not in request.carried)
        tacit = self._held_through_others(request, granted)
        needed = tuple(address for address in granted if address not in tacit)
        automatic = request.wanted.count(None)
        over = Budgets(self.ledger).judge(request.party, needed, automatic)
        if over is not None:
            return over
        if request.dry_run:
            return Granted(addresses)
        if not all(map(self.openings.__contains__, needed)):
            return Unnamed(needed, automatic, request.party)
        for address, wanted in zip(addresses, request.wanted, strict=True):
            if wanted is None:
                self._stretch.give(address)
        for address in granted:
            terms = Terms(request.dependent, address in tacit, address in request.shared, request.uid)
            self.ledger.grant(address, request.party, now, terms)
        return Granted(addresses)

    def _refusals(self, request: AddressRequest) -> tuple[Refusal, ...]:
        """What is wrong with the addresses that the user gave; each is judged, so that one answer names them all."""
        found: list[Refusal] = []
        first_use: dict[int, int] = {}
        for interface, address in enumerate(request.wanted):
            if address is None:
                continue
            if address in first_use:
                found.append(Refusal(interface, address, Fault.TWICE, first_use[address]))
                continue
            first_use[address] = interface
            if address not in request.carried:
                refusal = self._refusal(interface, address, request)
                if refusal is not None:
                    found.append(refusal)
        return tuple(found)

    def _refusal(self, interface: int, address: int, request: AddressRequest) -> Refusal | None:
        try:
            check_interface_address(address)
        except AddressError as error:
            return Refusal(interface, address, Fault.UNUSABLE, str(error))
        ledger, party = self.ledger, request.party
        if address in request.shared or ledger.is_entitled(address, party):
            return None
        if (holder := ledger.other_holder(address, party)) is not None:
            return Refusal(interface, address, Fault.HELD, holder)
        if (other := ledger.granted_to_other(address, party)) is not None:
            return Refusal(interface, address, Fault.PENDING, other)
        return None

    def _suspects(self, request: AddressRequest) -> tuple[int, ...]:
        """The addresses that the user gave of which it is not known who has them."""
        return tuple(
            address
            for address in request.wanted
            if address is not None and address not in request.carried and self.ledger.is_suspect(address)
        )

    def _held_through_others(self, request: AddressRequest, addresses: Iterable[int]) -> frozenset[int]:
        """Those that a dependent object may carry because another object of its party does (rule 2)."""
        dependent = request.dependent
        if dependent is None:
            return frozenset()
        return frozenset(
            address
            for address in addresses
            if any(
                not dependent.owns(holder.key) and self.ledger.are_one(holder.party, request.party)
                for holder in self.ledger.holders_of(address)
            )
        )

    def _choose(self, request: AddressRequest) -> list[int | None]:
        """An address for every interface, in order; None where there is none left."""
        # What the object carried is not chosen anew, whether the ledger knows of it or not: it would not be recorded.
        spoken_for = request.carried.union(address for address in request.wanted if address is not None)
        free = (address for address in self._candidates() if address not in spoken_for)
        return [next(free, None) if wanted is None else wanted for wanted in request.wanted]

    def _candidates(self) -> Iterator[int]:
        """What may be given to somebody who asks for any, best first; the released ones rather than none (rule 8)."""
        yield from self._stretch.candidates()
        for address, _ in self.ledger.coolest():
            yield address

    def _exhausted(self, request: AddressRequest, missing: int) -> Exhausted | Suspect:
        ledger = self.ledger
        if ledger.unheld_suspect_count() >= missing:
            return Suspect(())
        return Exhausted(
            str(ledger.pool), ledger.pool.size, request.wanted.count(None), missing, ledger.returning_count
        )
