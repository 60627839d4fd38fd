"""How much one namespace may have: of what is in flight (budgets), and in all (its limit)."""

from collections.abc import Iterable
from typing import Final

from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import AddressRequest, OverBudget, OverLimit, Unreserved


def over_limit(ledger: Ledger, request: AddressRequest) -> OverLimit | None:
    """Whether a request is refused by the limit of its namespace; None if it is not.

    What the object carried, and what the namespace has already, is no more than before. So whatever asks for nothing
    new is let through, also where there is too much already: the limit may have been lowered.
    """
    if request.limit is None:
        return None
    namespace = request.party.namespace
    chosen = {address for address in request.wanted if address is not None} - request.carried
    new = request.wanted.count(None) + sum(not ledger.is_used_in(address, namespace) for address in chosen)
    if not new:
        return None
    used = ledger.used_in(namespace)
    return OverLimit(namespace, new, used, request.limit) if used + new > request.limit.most else None


MOST_RESERVED: Final = 10_000
"""Addresses that the Lease lists at most. One takes up to 18 bytes there, and all annotations of an object together may
have 256 KiB (apimachinery's TotalAnnotationSizeLimitB)."""

SHARE: Final = MOST_RESERVED // 8
"""What one namespace may have in flight. Where all goes well an address is in flight for milliseconds: 600 pods a
second with two networks each, seen a second late, stay below it."""

COMMON: Final = MOST_RESERVED * 3 // 4
"""What all namespaces together may have; what is beyond is for those with little in flight."""

LITTLE: Final = 64
"""In flight, of a namespace that is served beyond `COMMON` where all the object's addresses are automatic: 39 such
namespaces have room there at a time."""


class Budgets:
    """What may be added to what is in flight."""

    def __init__(self, ledger: Ledger) -> None:
        """Count what is in flight, and nothing else yet."""
        self._ledger = ledger
        self._more: dict[str, int] = {}
        self._total = ledger.unseen_count

    def judge(self, party: Party, addresses: Iterable[int], automatic: int) -> OverBudget | None:
        """Why a party may not be allocated these, each reserved for it; None if it may.

        Args:
            party: who asks.
            addresses: which ones; what it has been allocated already is no more than before.
            automatic: how many of them any address would have done for.
        """
        wanted = list(addresses)
        new = sum(not self._ledger.is_named_for(address, party) for address in wanted)
        in_flight = self._ledger.in_flight_of(party.namespace) + self._more.get(party.namespace, 0)
        if not new:
            return None
        if in_flight + new > SHARE:
            return OverBudget(party.namespace, new, in_flight, SHARE)
        little = automatic == len(wanted) and in_flight + new <= LITTLE
        limit = MOST_RESERVED if little else COMMON
        if self._total + new > limit:
            return OverBudget(party.namespace, new, self._total, limit, overall=True)
        return None

    def add(self, unreserved: Unreserved) -> None:
        """Count what is going to be allocated as well."""
        namespace = unreserved.party.namespace
        new = sum(not self._ledger.is_named_for(address, unreserved.party) for address in unreserved.addresses)
        self._more[namespace] = self._more.get(namespace, 0) + new
        self._total += new


def over_budget(over: OverBudget) -> str:
    """What people read where too much is on its way."""
    remedy = (
        "an address is on its way until its object has been seen, or for some minutes if that is never created: look "
        "for objects that are refused after their admission (by a quota, or as invalid)"
    )
    if over.overall:
        return (
            f"{over.in_flight} addresses are on their way to the cluster, and this object in namespace "
            f"{over.namespace} needs {over.new} more; the limit is {over.limit}, beyond which only objects are "
            f"served that leave all addresses to us, in namespaces with at most {LITTLE} on their way; {remedy}"
        )
    return (
        f"{over.in_flight} addresses are on their way to namespace {over.namespace}, and this object needs {over.new} "
        f"more; the limit of a namespace is {over.limit}; {remedy}"
    )
