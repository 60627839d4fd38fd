"""Everything that is known of one address, for people who have to find out why it was given, or refused."""

from collections.abc import Iterator
from typing import NamedTuple

from kubemacpool.core.allocations import Allocation, Cooling
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder


class AddressState(NamedTuple):
    """What is known of one address.

    Attributes:
        address: which.
        in_pool: whether it may be handed out.
        holders: objects seen with it; those that carry it first.
        allocations: those whose objects have not been seen yet.
        in_doubt: whether an earlier leader may have allocated it to somebody who has not been seen.
        cooling: since when it is kept back after its release; None where it is not.
    """

    address: int
    in_pool: bool
    holders: tuple[Holder, ...]
    allocations: tuple[Allocation, ...]
    in_doubt: bool
    cooling: Cooling | None


def state_of(ledger: Ledger, address: int) -> AddressState:
    """What is known of an address."""
    return AddressState(
        address,
        address in ledger.pool,
        tuple(dict.fromkeys(ledger.holders_of(address))),
        tuple(ledger.allocations_of(address)),
        ledger.is_in_doubt(address),
        ledger.cooling_of(address),
    )


def known_addresses(ledger: Ledger) -> Iterator[int]:
    """Every address of which anything is known, once: what is not held by anybody first."""
    unsettled = dict.fromkeys(ledger.unsettled())
    yield from unsettled
    seen: set[int] = set()
    for holder in ledger.holders():
        for address in holder.addresses + (holder.attached or ()):
            if address not in unsettled and address not in seen:
                seen.add(address)
                yield address
