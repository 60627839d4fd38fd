"""The limit of a namespace: how many addresses it may have, held and in flight, each of them once."""

from kubemacpool.core.decisions import AddressRequest, OverLimit
from kubemacpool.core.ledger import Ledger


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
