"""Deciding on the addresses of one object: allocate, have the Lease list what has to be, and resolve conflicts."""

import enum
from collections.abc import Callable
from typing import Final, NamedTuple

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocator import Decider
from kubemacpool.core.budgets import over_budget
from kubemacpool.core.requests import (
    AddressRequest,
    Decision,
    Fault,
    Limit,
    OverBudget,
    Refusal,
    Refused,
    Suspect,
    Unnamed,
)
from kubemacpool.ports import AddressDecider, Clock, Naming, NotDecidingError
from kubemacpool.wire.quoting import first_of

ATTEMPTS: Final = 8
"""How often a request is decided anew after its addresses were named. Others may take them first, each time one of the
requests that share a write gets on; so many in a row lose only to a crowd."""


class LocalDecider:
    """Decides here, as long as the Lease allows it (implements `AddressDecider`)."""

    def __init__(self, decider: Decider, naming: Naming, limit_of: Callable[[str], Limit | None], clock: Clock) -> None:
        self._decider = decider
        self._limit_of = limit_of
        self._naming = naming
        self._clock = clock

    async def decide(self, request: AddressRequest) -> Decision:
        """Grant or refuse, in one step of the event loop, what the Lease names (rules 1, 2, 6 and 11).

        Naming waits, so everything is asked again after it.

        Raises:
            NotDecidingError: while another replica decides, or while it is not known who has an address.
        """
        for _ in range(ATTEMPTS):
            self._naming.check()
            limited = request._replace(limit=self._limit_of(request.party.namespace))
            decision = self._decider.decide(limited, self._clock.now())
            match decision:
                case Unnamed():
                    await self._naming.name(decision)
                case OverBudget():
                    raise NotDecidingError(over_budget(decision))
                case Suspect(addresses):
                    raise NotDecidingError(_suspicion(addresses))
                case _:
                    if self._decider.is_short:
                        self._naming.extend_soon()
                    return decision
        raise NotDecidingError("too many ask for the same addresses at once")


def _suspicion(addresses: tuple[int, ...]) -> str:
    what = ", ".join(first_of([*map(format_address, addresses)])) if addresses else "every address that may be free"
    return f"another replica may have granted {what} just before it ended; it will be known within minutes"


TAKEN: Final = frozenset({Fault.HELD, Fault.PENDING})
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
    decider: AddressDecider, request: AddressRequest, resolution: Callable[[int], Resolution]
) -> Outcome:
    """Decide, and where addresses are somebody else's, resolve that and decide again.

    Args:
        decider: who decides.
        request: who asks for what.
        resolution: by interface, what is done where its address is somebody else's.

    Raises:
        NotDecidingError: as the decider does.
    """
    conflicts: list[Refusal] = []
    for _ in range(MOST_CONFLICTS):
        decision = await decider.decide(request)
        if not isinstance(decision, Refused):
            return Outcome(decision, tuple(conflicts))
        final = tuple(each for each in decision.refusals if _is_final(each, resolution))
        if final:
            return Outcome(Refused(final))
        conflicts += decision.refusals
        for refusal in decision.refusals:
            request = _resolved(request, refusal, resolution(refusal.interface))
    raise NotDecidingError("the addresses that were asked for change hands too fast")


def _is_final(refusal: Refusal, resolution: Callable[[int], Resolution]) -> bool:
    return refusal.fault not in TAKEN or resolution(refusal.interface) is Resolution.REFUSE


def _resolved(request: AddressRequest, refusal: Refusal, resolution: Resolution) -> AddressRequest:
    if resolution is Resolution.ADMIT:
        return request._replace(shared=request.shared | {refusal.address})
    wanted = list(request.wanted)
    wanted[refusal.interface] = None
    return request._replace(wanted=tuple(wanted))
