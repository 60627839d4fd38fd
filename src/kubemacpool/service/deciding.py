"""The decider of this process: the core's rules, given a clock and the question whether they may be asked yet."""

from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Decision
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import NotDecidingError
from kubemacpool.service.readiness import Readiness


class LocalDecider:
    """Decides here, once there is a pool and a complete view of the cluster (implements `AddressDecider`)."""

    def __init__(self, readiness: Readiness, clock: Clock) -> None:
        self._decider: Decider | None = None
        self._readiness = readiness
        self._clock = clock

    def start(self, decider: Decider) -> None:
        """Decide by this ledger, as soon as nothing hinders."""
        self._decider = decider

    async def decide(self, request: AddressRequest) -> Decision:
        """Grant or refuse in one step of the event loop (rule 11).

        Raises:
            NotDecidingError: while the ledger is not known to be complete (promise 7).
        """
        obstacles = self._readiness.obstacles
        if obstacles or self._decider is None:
            raise NotDecidingError("; ".join(obstacles) or "it has just started")
        return self._decider.decide(request, self._clock.now())
