"""The decider: grants addresses, and refuses those that somebody else has.

One call, one step: nothing in here waits, so a decision and its record cannot be torn apart (rule 11).
"""

from collections.abc import Iterator
from typing import Final

from kubemacpool.core.addresses import AddressError, check_interface_address
from kubemacpool.core.decisions import AddressRequest, Decision, Exhausted, Fault, Granted, Refusal, Refused
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party
from kubemacpool.core.pool import Pool

_NONE_YET: Final = -1
"""Before the first grant: the address after it is the pool's first."""


class Decider:
    """A ledger, and the address after which the next free one is looked for."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._last = _NONE_YET

    def decide(self, request: AddressRequest, now: float) -> Decision:
        """Grant every interface its address, or none (rule 2).

        Args:
            request: who asks for what.
            now: seconds on the monotonic clock.
        """
        refusals = self._refusals(request)
        if refusals:
            return Refused(refusals)
        self.ledger.end_cooling(now)  # time did it, not this request: so for a dry run as well
        addresses, last = self._choose(request)
        missing = addresses.count(None)
        if missing:
            return self._exhausted(request.wanted.count(None), missing)
        chosen = tuple(address for address in addresses if address is not None)
        if not request.dry_run:
            self._last = last
            for address in chosen:
                if address not in request.carried:
                    self.ledger.grant(address, request.party, now)
        return Granted(chosen)

    def replace_pool(self, pool: Pool) -> None:
        """Grant from another pool from now on, going on after the address that the search gave last."""
        self.ledger.replace_pool(pool)

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
                refusal = self._refusal(interface, address, request.party)
                if refusal is not None:
                    found.append(refusal)
        return tuple(found)

    def _refusal(self, interface: int, address: int, party: Party) -> Refusal | None:
        try:
            check_interface_address(address)
        except AddressError as error:
            return Refusal(interface, address, Fault.UNUSABLE, str(error))
        for holder in self.ledger.holders_of(address):
            if holder.party != party:
                return Refusal(interface, address, Fault.HELD, holder.party)
        grant = self.ledger.pending(address)
        if grant is not None and grant.party != party:
            return Refusal(interface, address, Fault.PENDING, grant.party)
        return None

    def _choose(self, request: AddressRequest) -> tuple[list[int | None], int]:
        """An address for every interface (None where there is none left), and the address to go on after."""
        # What the object carried is not chosen anew, whether the ledger knows of it or not: it would not be recorded.
        spoken_for = request.carried.union(address for address in request.wanted if address is not None)
        free = (address for address in self._free() if address not in spoken_for)
        early = (address for address, _ in self.ledger.coolest() if address not in spoken_for)
        last = self._last
        chosen: list[int | None] = []
        for wanted in request.wanted:
            address = wanted
            if address is None:
                address = next(free, None)
                if address is not None:
                    last = address
                else:
                    address = next(early, None)  # rather than refusing (rule 8)
            chosen.append(address)
        return chosen, last

    def _free(self) -> Iterator[int]:
        """Every free address once, in the pool's order, from the one after the last that was given."""
        ledger, pool = self.ledger, self.ledger.pool
        first = position = ledger.next_free(pool.position_after(self._last))
        while position is not None:
            yield pool.address_at(position)
            position = ledger.next_free((position + 1) % pool.size)
            if position == first:
                return

    def _exhausted(self, needed: int, missing: int) -> Exhausted:
        ledger = self.ledger
        return Exhausted(str(ledger.pool), ledger.pool.size, needed, missing, ledger.returning_count)
