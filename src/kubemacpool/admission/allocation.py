"""Deciding on the addresses of one object: allocate, have the Lease list what has to be, and resolve conflicts."""

import enum
from collections.abc import Callable, Collection
from typing import Final, NamedTuple

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.budgets import over_budget
from kubemacpool.core.requests import (
    AddressRequest,
    Decision,
    Fault,
    InDoubt,
    Limit,
    OverBudget,
    Refusal,
    Refused,
    Unreserved,
)
from kubemacpool.ports import Clock, Leadership, RetryLaterError
from kubemacpool.wire.quoting import first_of

TAKEN: Final = frozenset({Fault.HELD, Fault.IN_FLIGHT})
"""What a refusal says where an address is somebody else's: a conflict, and no mistake."""

MOST_RESERVATIONS: Final = 8
"""How often a request is decided anew after its addresses were reserved. Others may take them first, each time one of
the requests that share a write gets on; so many in a row lose only to a crowd."""

MOST_CONFLICTS: Final = 4
"""How often conflicts are resolved. Each time the world may have changed, and one more address be somebody else's."""


class Resolution(enum.Enum):
    """What is done about addresses that somebody else has."""

    REFUSE = "refuse"
    ADMIT = "admit"
    """Let the object have them; two parties share them then, which is reported as a collision."""
    REPLACE = "replace"
    """Give other ones."""


class Outcome(NamedTuple):
    """A decision, and the conflicts that were resolved on the way."""

    decision: Decision
    conflicts: tuple[Refusal, ...] = ()


class AddressAllocation:
    """Allocates here, as long as the Lease allows it.

    Args:
        allocator: the rules.
        leadership: whether this replica may allocate, and what the Lease lists.
        limit_of: how many addresses a namespace may have.
        clock: the process's own.
        told: of every request that was allocated or refused for good.
    """

    def __init__(
        self,
        allocator: Allocator,
        leadership: Leadership,
        limit_of: Callable[[str], Limit | None],
        clock: Clock,
        told: Callable[[AddressRequest, Decision], None] = lambda _request, _decision: None,
    ) -> None:
        self._allocator = allocator
        self._leadership = leadership
        self._limit_of = limit_of
        self._clock = clock
        self._told = told

    async def allocate(
        self, request: AddressRequest, resolution: Resolution, replaceable: Collection[int] = ()
    ) -> Outcome:
        """Allocate or refuse; what was allocated is on record when this returns.

        Args:
            request: who asks for what.
            resolution: what is done where an address is somebody else's.
            replaceable: interfaces that are given another address then, whatever the resolution.

        Raises:
            RetryLaterError: while another replica leads, or while it is not known who has an address.
        """
        conflicts: tuple[Refusal, ...] = ()
        for _ in range(MOST_CONFLICTS):
            decision = await self._decide(request)
            if not isinstance(decision, Refused):
                self._told(request, decision)
                return Outcome(decision, conflicts)
            refused = resolution is Resolution.REFUSE
            final = tuple(
                each
                for each in decision.refusals
                if each.fault not in TAKEN or (refused and each.interface not in replaceable)
            )
            if final:
                self._told(request, Refused(final))
                return Outcome(Refused(final))
            conflicts += decision.refusals
            for refusal in decision.refusals:
                replaced = refusal.interface in replaceable or resolution is Resolution.REPLACE
                request = _replaced(request, refusal) if replaced else _shared(request, refusal)
        raise RetryLaterError("the addresses that were asked for change hands too fast")

    async def _decide(self, request: AddressRequest) -> Decision:
        """Decide in one step of the event loop on what the Lease lists (rules 1, 2, 6 and 11).

        Reserving waits, so everything is asked again after it.
        """
        for _ in range(MOST_RESERVATIONS):
            self._leadership.check()
            limit = self._limit_of(request.party.namespace)
            if limit != request.limit:
                request = request._replace(limit=limit)
            decision = self._allocator.decide(request, self._clock.now())
            if isinstance(decision, Unreserved):
                await self._leadership.reserve(decision)
            elif isinstance(decision, OverBudget):
                raise RetryLaterError(over_budget(decision))
            elif isinstance(decision, InDoubt):
                raise RetryLaterError(_doubt(decision.addresses))
            else:
                if self._allocator.is_short:
                    self._leadership.extend_soon()
                return decision
        raise RetryLaterError("too many ask for the same addresses at once")


def _shared(request: AddressRequest, refusal: Refusal) -> AddressRequest:
    return request._replace(shared=request.shared | {refusal.address})


def _replaced(request: AddressRequest, refusal: Refusal) -> AddressRequest:
    wanted = list(request.wanted)
    wanted[refusal.interface] = None
    return request._replace(wanted=tuple(wanted))


def _doubt(addresses: tuple[int, ...]) -> str:
    what = ", ".join(first_of([*map(format_address, addresses)])) if addresses else "every address that may be free"
    return f"another replica may have allocated {what} just before it ended; it will be known within minutes"
