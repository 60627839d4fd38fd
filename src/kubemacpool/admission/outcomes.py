"""What came of requests, told to those who count and to those who look after the pool.

Alone, because neither deciding nor answering needs to know who listens.
"""

from collections.abc import Callable

from kubemacpool.core.requests import AddressRequest, Allocated, Decision, Exhausted
from kubemacpool.ports import Measures


class Outcomes:
    """Passes on what was decided for good; dry runs are nobody's business."""

    def __init__(self, measures: Measures, exhausted: Callable[[Exhausted], None]) -> None:
        """Know of nothing yet.

        Args:
            measures: counts the addresses.
            exhausted: told when an object was refused because the pool is full.
        """
        self._measures = measures
        self._exhausted = exhausted

    def tell(self, request: AddressRequest, decision: Decision) -> None:
        """A request was decided; what an object has already, or has by its machine, is not allocated anew."""
        if request.dry_run:
            return
        if isinstance(decision, Exhausted):
            self._exhausted(decision)
        elif isinstance(decision, Allocated) and request.dependent is None:
            automatic = request.wanted.count(None)
            given = sum(address is not None and address not in request.carried for address in request.wanted)
            if automatic:
                self._measures.allocated("automatic", automatic)
            if given:
                self._measures.allocated("given", given)
