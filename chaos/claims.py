"""Whether a refusal told the truth: the holder that it names did hold the address, or was about to. Pure."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field

# As src/kubemacpool/admission/messages.py words it.
_REFUSAL = re.compile(
    r"mac (?P<address>[0-9a-f:]{17}) (?:is in use by|was allocated to) "
    r"(?P<holder>(?:Pod|VirtualMachine|VirtualMachineInstance) [^/ ]+/[^ ;]+)(?: a moment ago)?;"
)


@dataclass(slots=True)
class Claim:
    """One attempt to have a pod, and the pod that may have come of it."""

    title: str
    """As messages name it; with a star where the API server has yet to choose the name."""
    sent: float
    addresses: frozenset[str] | None = None
    """None as long as it is not known."""
    ended: float = math.inf
    """When the attempt had failed for good, or the pod was deleted."""


@dataclass(slots=True)
class Claims:
    """Who may have had an address, and when."""

    bound: float
    """Seconds for which an allocation or a deleted holder may still be spoken of: the in-flight bound."""
    _by_title: dict[str, list[Claim]] = field(default_factory=dict)

    def begin(self, title: str, sent: float, addresses: frozenset[str] | None = None) -> Claim:
        """Somebody asks for a pod."""
        claim = Claim(title, sent, addresses)
        self._by_title.setdefault(title, []).append(claim)
        return claim

    def truthful(self, message: str, sent: float, answered: float) -> bool:
        """Tell whether every holder that a refusal names had the address, or had asked for it, at that time."""
        named = [(match["address"], match["holder"]) for match in _REFUSAL.finditer(message)]
        return bool(named) and all(self._had(holder, address, sent, answered) for address, holder in named)

    def _had(self, holder: str, address: str, sent: float, answered: float) -> bool:
        return any(
            (claim.addresses is None or address in claim.addresses)
            and claim.sent <= answered
            and claim.ended + self.bound >= sent
            for claim in self._by_title.get(holder, ())
        )


def refused(message: str) -> bool:
    """Tell whether a message says that somebody has the address."""
    return _REFUSAL.search(message) is not None
