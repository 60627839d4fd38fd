"""The allocator: allocates addresses, and refuses those that another party has.

One call, one step: nothing in here waits, so a decision and its record cannot be torn apart (rule 11).
"""

from collections.abc import Iterable, Iterator
from itertools import islice
from typing import Final, NamedTuple

from kubemacpool.core.addresses import AddressError, check_interface_address
from kubemacpool.core.allocations import ITS_OWN, Terms
from kubemacpool.core.budgets import MOST_RESERVED, Budgets, over_limit
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import (
    AddressRequest,
    Allocated,
    Decision,
    Exhausted,
    Fault,
    InDoubt,
    OverBudget,
    Refusal,
    Refused,
    Undecided,
    Unreserved,
)
from kubemacpool.core.reservations import Block, Reservations

LARGEST_BLOCK: Final = 2048
"""Addresses set aside at a time: at 400 pods a second with two interfaces each, two and a half seconds' worth, which is
two renewals of the Lease."""

POOL_SHARE: Final = 16
"""The block is no more than this part of its pool, so that a crash leaves little in doubt."""


class LeaseUpdate(NamedTuple):
    """What a write of the Lease should say.

    Attributes:
        reserved: every address that may be allocated without having been seen, from the moment the write is confirmed.
        seen: by kind, the resourceVersion that a successor's view must have reached (rule 3).
        last: the address that was given last to somebody who asked for any; None where there was none yet.
        complete: whether it takes all into account that was asked; if not, too many addresses are on their way.
    """

    reserved: frozenset[int]
    seen: dict[str, int]
    last: int | None
    complete: bool


class Allocator:
    """A ledger, what the Lease allows to be allocated from it, and the block set aside for those who ask for any."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.reservations = Reservations()
        self._block = Block(ledger)

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        """Allocate every interface its address, or none (rule 2).

        A dry run is answered what would be allocated once it was reserved (rule 10): reserving changes the Lease.

        Args:
            request: who asks for what.
            now: seconds on the monotonic clock.
        """
        automatic = request.wanted.count(None) == len(request.wanted)
        refusals = () if automatic else self._refusals(request)
        if refusals:
            return Refused(refusals)
        over = over_limit(self.ledger, request)
        if over is not None:
            return over
        in_doubt = () if automatic else self._in_doubt(request)
        if in_doubt:
            return InDoubt(in_doubt)
        self.ledger.end_cooling(now)  # time did it, not this request: so for a dry run as well
        chosen = self._choose(request)
        missing = chosen.count(None)
        if missing:
            return self._exhausted(request, missing)
        return self._allocate(request, tuple(address for address in chosen if address is not None), now)

    def acquire(self, update: Iterable[int], last: int | None, now: float, *, first: bool = False) -> None:
        """The Lease is ours, and lists these (rule 4).

        Args:
            update: every address that it lists; all of them are in doubt.
            last: the address that the leader before us gave last to somebody who asked for any.
            now: when the acquisition was confirmed, seconds on the monotonic clock.
            first: whether nobody has led before.
        """
        in_doubt = frozenset(update)
        self.ledger.inherit(in_doubt, now, first=first)
        self.reservations.confirm(in_doubt)
        if last is not None:
            self._block.go_on_after(last)

    def step_down(self) -> None:
        """Another replica leads: nothing is reserved for this one any more."""
        self.reservations.close()
        self._block.give_back()
        self.ledger.renounce()

    def fitting(self, allocated: Iterable[Unreserved], asked: Iterable[Unreserved]) -> list[OverBudget | None]:
        """What of these requests the next write of the Lease may take into account, so that none is in others' way.

        Args:
            allocated: those that a write has taken into account, and that have not been decided anew yet.
            asked: those that wait for one.

        Returns:
            For each that waits, in order, why it may not; None if it may.
        """
        budgets = Budgets(self.ledger)
        for each in allocated:
            budgets.add(each)
        found: list[OverBudget | None] = []
        for each in asked:
            over = budgets.judge(each.party, each.addresses, each.automatic)
            if over is None:
                budgets.add(each)
            found.append(over)
        return found

    def next_update(self, asked: Iterable[int], needed: int) -> LeaseUpdate:
        """What the next write of the Lease should say, while we go on leading (rules 1 and 3).

        Args:
            asked: explicit addresses that requests are waiting for.
            needed: how many more interfaces of waiting requests have no address of the user's choice.
        """
        ledger = self.ledger
        explicit = frozenset(asked)
        unseen = ledger.unseen_count
        complete = unseen + len(explicit) <= MOST_RESERVED
        if not complete:
            explicit, needed = frozenset(), 0
        room = MOST_RESERVED - unseen - len(explicit)
        self._block.resize(min(room, max(self._usual_length, needed)))
        block = self._block.addresses()
        early = islice(ledger.coolest(), max(0, min(room, needed) - len(block)))
        return self._update((*explicit, *block, *(address for address, _ in early)), complete=complete)

    def last_update(self) -> LeaseUpdate:
        """What the write that releases the Lease should say: nothing is set aside any more (rule 7)."""
        return self._update((), complete=True)

    @property
    def is_short(self) -> bool:
        """Whether the block is nearly used up, so that the Lease had better be written soon."""
        return self._block.is_short

    def replace_pool(self, pool: Pool) -> None:
        """Allocate from another pool from now on.

        The search goes on after the address that it gave last, unless the pool wants it to begin somewhere else.
        """
        if pool.beginning != self.ledger.pool.beginning:
            self._block.begin_anew()
        self.ledger.replace_pool(pool)

    @property
    def _usual_length(self) -> int:
        """How many addresses are set aside when nobody waits for more."""
        return max(1, min(LARGEST_BLOCK, self.ledger.pool.size // POOL_SHARE))

    def _update(self, update: Iterable[int], *, complete: bool) -> LeaseUpdate:
        last = self._block.last
        needed = {*update, *self.ledger.unseen()}
        orphaned = islice(self.ledger.orphaned(), max(0, MOST_RESERVED - len(needed)))
        return LeaseUpdate(
            frozenset((*needed, *orphaned)), dict(self.ledger.sighted), last if last >= 0 else None, complete
        )

    def _allocate(
        self, request: AddressRequest, addresses: tuple[int, ...], now: float
    ) -> Allocated | OverBudget | Unreserved:
        """Allocate these, one an interface, if the Lease lists them and nobody else needs the room there more."""
        carried = request.carried
        allocated = tuple(each for each in addresses if each not in carried) if carried else addresses
        implicit = self._held_through_others(request, allocated)
        needed = tuple(each for each in allocated if each not in implicit) if implicit else allocated
        automatic = request.wanted.count(None)
        over = Budgets(self.ledger).judge(request.party, needed, automatic)
        if over is not None:
            return over
        if request.dry_run:
            return Allocated(addresses)
        if not all(map(self.reservations.__contains__, needed)):
            return Unreserved(needed, automatic, request.party)
        for address, wanted in zip(addresses, request.wanted, strict=True):
            if wanted is None:
                self._block.give(address)
        plain = request.dependent is None and not request.shared and not request.uid
        for address in allocated:
            terms = (
                ITS_OWN
                if plain
                else Terms(request.dependent, address in implicit, address in request.shared, request.uid)
            )
            self.ledger.allocate(address, request.party, now, terms)
        return Allocated(addresses)

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
        if (other := ledger.allocated_to_other(address, party)) is not None:
            return Refusal(interface, address, Fault.IN_FLIGHT, other)
        return None

    def _in_doubt(self, request: AddressRequest) -> tuple[int, ...]:
        """The addresses that the user gave of which it is not known who has them."""
        return tuple(
            address
            for address in request.wanted
            if address is not None and address not in request.carried and self.ledger.is_in_doubt(address)
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
        wanted = request.wanted
        if not request.carried and wanted.count(None) == len(wanted):
            found: list[int | None] = [*islice(self._candidates(), len(wanted))]
            return found + [None] * (len(wanted) - len(found))
        spoken_for = request.carried.union(address for address in wanted if address is not None)
        free = (address for address in self._candidates() if address not in spoken_for)
        return [next(free, None) if address is None else address for address in wanted]

    def _candidates(self) -> Iterator[int]:
        """What may be given to somebody who asks for any, best first; the released ones rather than none (rule 8)."""
        yield from self._block.candidates()
        for address, _ in self.ledger.coolest():
            yield address

    def _exhausted(self, request: AddressRequest, missing: int) -> Exhausted | InDoubt:
        ledger = self.ledger
        if ledger.unheld_in_doubt_count() >= missing:
            return InDoubt(())
        return Exhausted(
            str(ledger.pool), ledger.pool.size, request.wanted.count(None), missing, ledger.returning_count
        )
