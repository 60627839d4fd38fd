"""The decider: grants addresses, and refuses those that somebody else has.

One call, one step: nothing in here waits, so a decision and its record cannot be torn apart (rule 11).
"""

from typing import Final

from kubemacpool.core.addresses import AddressError, check_interface_address
from kubemacpool.core.decisions import AddressRequest, Decision, Exhausted, Fault, Granted, Refusal, Refused
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party
from kubemacpool.core.pool import Pool

GIVEN_EARLY: Final = frozenset({"Pod"})
"""Kinds whose released addresses may be given before their cool-down has passed, when nothing else is free (rule 8).

A VirtualMachine's may not: only the cool-down covers what another of its objects still has in flight (rule 2).
"""


class Decider:
    """A ledger, and the place in the pool from which the next free address is looked for."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self._cursor = 0

    def decide(self, request: AddressRequest, now: float) -> Decision:
        """Grant every interface its address, or none (rule 2).

        Args:
            request: who asks for what.
            now: seconds on the monotonic clock.
        """
        refusals = self._refusals(request)
        if refusals:
            return Refused(refusals)
        addresses, cursor = self._choose(request, now)
        missing = addresses.count(None)
        if missing:
            return self._exhausted(missing)
        chosen = tuple(address for address in addresses if address is not None)
        if not request.dry_run:
            self._cursor = cursor
            for address in chosen:
                if address not in request.carried:
                    self.ledger.grant(address, request.party, now)
        return Granted(chosen)

    def replace_pool(self, pool: Pool) -> None:
        """Grant from another pool from now on, going on after the address that was granted last."""
        before = self.ledger.pool
        last = before.address_at((self._cursor - 1) % before.size)
        self.ledger.replace_pool(pool)
        self._cursor = pool.position_after(last) if self._cursor else 0

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

    def _choose(self, request: AddressRequest, now: float) -> tuple[list[int | None], int]:
        """An address for every interface (None where there is none left), and the position to go on from."""
        self.ledger.end_cooling(now)
        cursor = self._cursor
        spoken_for = {address for address in request.wanted if address is not None}
        chosen: list[int | None] = []
        for wanted in request.wanted:
            if wanted is not None:
                chosen.append(wanted)
                continue
            position = self._next_free(cursor, spoken_for)
            if position is not None:
                address: int | None = self.ledger.pool.address_at(position)
                cursor = (position + 1) % self.ledger.pool.size
            else:
                address = self._given_early(spoken_for)
            if address is not None:
                spoken_for.add(address)
            chosen.append(address)
        return chosen, cursor

    def _next_free(self, cursor: int, spoken_for: set[int]) -> int | None:
        """The next free position whose address this request does not use already."""
        for _ in range(len(spoken_for) + 1):  # a search that has met each of them once has met everything
            position = self.ledger.next_free(cursor)
            if position is None or self.ledger.pool.address_at(position) not in spoken_for:
                return position
            cursor = (position + 1) % self.ledger.pool.size
        return None

    def _given_early(self, spoken_for: set[int]) -> int | None:
        """The address that has cooled longest, rather than refusing a pod."""
        for address, cooling in self.ledger.coolest():
            if cooling.kind in GIVEN_EARLY and address not in spoken_for:
                return address
        return None

    def _exhausted(self, missing: int) -> Exhausted:
        ledger = self.ledger
        return Exhausted(str(ledger.pool), ledger.pool.size, missing, ledger.cooling_count, ledger.pending_count)
