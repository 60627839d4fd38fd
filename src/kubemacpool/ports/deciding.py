"""Where addresses are granted, as those see it who ask for them: here, or in another replica."""

from typing import Protocol

from kubemacpool.core.decisions import AddressRequest, Decision


class NotDecidingError(Exception):
    """Nobody can decide now, though waiting will help; the message says what is waited for."""


class AddressDecider(Protocol):
    """Decides on addresses."""

    async def decide(self, request: AddressRequest) -> Decision:
        """Grant or refuse; what was granted is on record when this returns.

        Raises:
            NotDecidingError: when the ledger is not known to be good; nothing was granted.
        """
        ...
