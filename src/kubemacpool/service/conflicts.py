"""Conflicts: addresses of the user's choice that somebody else has, and what is done about them."""

import enum
from collections.abc import Callable
from typing import Final, NamedTuple

from kubemacpool.core.decisions import AddressRequest, Decision, Fault, Refusal, Refused
from kubemacpool.ports.deciding import AddressDecider, NotDecidingError

TAKEN: Final = frozenset({Fault.HELD, Fault.PENDING})
"""What a refusal says where an address is somebody else's: a conflict, and no mistake."""

ATTEMPTS: Final = 4
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


async def decide(decider: AddressDecider, request: AddressRequest, resolution: Callable[[int], Resolution]) -> Outcome:
    """Decide, and where addresses are somebody else's, resolve that and decide again.

    Args:
        decider: who decides.
        request: who asks for what.
        resolution: by interface, what is done where its address is somebody else's.

    Raises:
        NotDecidingError: as the decider does.
    """
    conflicts: list[Refusal] = []
    for _ in range(ATTEMPTS):
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
