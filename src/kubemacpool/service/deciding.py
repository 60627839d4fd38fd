"""The decider of this process: the core's rules, given a clock and the Lease's leave."""

from collections.abc import Callable
from typing import Final

from kubemacpool.core.addresses import format_address
from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Decision, Limit, OverBudget, Suspect, Unnamed
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import NotDecidingError
from kubemacpool.ports.naming import Naming
from kubemacpool.service.refusing import over_budget
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
