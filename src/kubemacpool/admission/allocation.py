"""Leading on the addresses of one object: allocate, have the Lease list what has to be, and resolve conflicts."""

import enum
from collections.abc import Callable
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
from kubemacpool.ports import AddressAllocator, Clock, Leadership, RetryLaterError
from kubemacpool.wire.quoting import first_of

ATTEMPTS: Final = 8
"""How often a request is decided anew after its addresses were named. Others may take them first, each time one of the
requests that share a write gets on; so many in a row lose only to a crowd."""


class LocalAllocator:
    """Decides here, as long as the Lease allows it (implements `AddressAllocator`)."""

    def __init__(
        self, allocator: Allocator, leadership: Leadership, limit_of: Callable[[str], Limit | None], clock: Clock
    ) -> None:
        self._allocator = allocator
        self._limit_of = limit_of
        self._leadership = leadership
        self._clock = clock

    async def decide(self, request: AddressRequest) -> Decision:
        """Allocate or refuse, in one step of the event loop, what the Lease lists (rules 1, 2, 6 and 11).

        reserving waits, so everything is asked again after it.

        Raises:
            RetryLaterError: while another replica leads, or while it is not known who has an address.
        """
        for _ in range(ATTEMPTS):
            self._leadership.check()
            limited = request._replace(limit=self._limit_of(request.party.namespace))
            decision = self._allocator.decide(limited, self._clock.now())
            match decision:
                case Unreserved():
                    await self._leadership.reserve(decision)
                case OverBudget():
                    raise RetryLaterError(over_budget(decision))
                case InDoubt(addresses):
                    raise RetryLaterError(_doubt(addresses))
                case _:
                    if self._allocator.is_short:
                        self._leadership.extend_soon()
                    return decision
        raise RetryLaterError("too many ask for the same addresses at once")


def _doubt(addresses: tuple[int, ...]) -> str:
    what = ", ".join(first_of([*map(format_address, addresses)])) if addresses else "every address that may be free"
    return f"another replica may have allocated {what} just before it ended; it will be known within minutes"


TAKEN: Final = frozenset({Fault.HELD, Fault.IN_FLIGHT})
"""What a refusal says where an address is somebody else's: a conflict, and no mistake."""

MOST_CONFLICTS: Final = 4
"""Each time the world may have changed, and one more address be somebody else's."""


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


async def allocate(
    allocator: AddressAllocator, request: AddressRequest, resolution: Callable[[int], Resolution]
) -> Outcome:
    """Decide, and where addresses are somebody else's, resolve that and decide again.

    Args:
        allocator: who leads.
        request: who asks for what.
        resolution: by interface, what is done where its address is somebody else's.

    Raises:
        RetryLaterError: as the leader does.
    """
    conflicts: list[Refusal] = []
    for _ in range(MOST_CONFLICTS):
        decision = await allocator.decide(request)
        if not isinstance(decision, Refused):
            return Outcome(decision, tuple(conflicts))
        final = tuple(each for each in decision.refusals if _is_final(each, resolution))
        if final:
            return Outcome(Refused(final))
        conflicts += decision.refusals
        for refusal in decision.refusals:
            request = _resolved(request, refusal, resolution(refusal.interface))
    raise RetryLaterError("the addresses that were asked for change hands too fast")


def _is_final(refusal: Refusal, resolution: Callable[[int], Resolution]) -> bool:
    return refusal.fault not in TAKEN or resolution(refusal.interface) is Resolution.REFUSE


def _resolved(request: AddressRequest, refusal: Refusal, resolution: Resolution) -> AddressRequest:
    if resolution is Resolution.ADMIT:
        return request._replace(shared=request.shared | {refusal.address})
    wanted = list(request.wanted)
    wanted[refusal.interface] = None
    return request._replace(wanted=tuple(wanted))
