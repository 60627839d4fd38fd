"""Why a create failed: matched with what kube-proxy's stand-in saw of the connections to replicas. Pure.

A create is excused only by a connection to a replica that was killed or paused at that time, and each connection
excuses one create. Whatever is left over is an `other`, which is a fault of the program under test.
"""

from __future__ import annotations

import math
import re
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

# Between two processes' looks at the clock, and until a loop gets round to looking.
SLACK_SECONDS = 0.3


class Cause(StrEnum):
    """Why a create failed."""

    INSIDE = "inside the killed or paused process"
    DEAD = "sent to a dead endpoint before its removal"
    SUSPECT = "asked for an address that a killed decider may have granted"
    API_SERVER = "the API server itself was down"
    OTHER = "other"


class Failure(msgspec.Struct, frozen=True):
    """A create that failed."""

    pod: str
    sent: float
    answered: float
    status: int
    """0 where there was no answer."""
    message: str
    explicit: bool
    """Whether it asked for an address of its own choice."""


class Outage(msgspec.Struct):
    """A process that was killed or paused, by the port of its webhook."""

    port: int
    begun: float
    ended: float = math.inf
    """When it went on, or its successor was ready."""
    decided: bool = False
    """Whether it was the decider."""


class Loss(msgspec.Struct, frozen=True):
    """A connection to a replica that came to nothing: refused, broken, or given up unanswered."""

    port: int
    client_port: int
    opened: float
    ended: float
    asked: float | None
    """Since when an answer was waited for; None if none was, as far as encrypted bytes show."""


class Window(msgspec.Struct):
    """When the API server was down."""

    begun: float
    ended: float = math.inf


class Attribution:
    """Gives each failed create its cause."""

    def __init__(
        self, outages: Sequence[Outage], downtimes: Sequence[Window], suspect_seconds: float, timeout_seconds: float
    ) -> None:
        """Keep what happened; the sequences may grow.

        Args:
            outages: processes killed and paused.
            downtimes: of the API server.
            suspect_seconds: how long an address is suspect after a takeover.
            timeout_seconds: the webhook's time-out.
        """
        self._outages = outages
        self._downtimes = downtimes
        self._suspect_seconds = suspect_seconds
        self._timeout_seconds = timeout_seconds
        self._losses: list[tuple[Loss, Outage]] = []

    def learn(self, losses: Iterable[Loss]) -> None:
        """Take note of connections that came to nothing; those to replicas that were well excuse nobody."""
        for loss in losses:
            outage = next((outage for outage in self._outages if _struck(loss, outage)), None)
            if outage is not None:
                self._losses.append((loss, outage))

    def cause(self, failure: Failure) -> Cause:
        """Find the cause, and use up the connection that excuses the failure."""
        if "failed calling webhook" in failure.message:
            candidates = [entry for entry in self._losses if _explains(entry[0], failure)]
            if candidates:
                # The API server may name its own end of the connection; else the one that waited is likelier.
                best = min(candidates, key=lambda entry: (not _named(entry[0], failure), entry[0].asked is None))
                self._losses.remove(best)
                loss, outage = best
                return Cause.DEAD if loss.opened >= outage.begun else Cause.INSIDE
        elif failure.explicit and "another replica may have granted" in failure.message and self._suspect(failure):
            return Cause.SUSPECT
        if any(_overlap(failure, window.begun, window.ended) for window in self._downtimes):
            return Cause.API_SERVER
        return Cause.OTHER

    def _suspect(self, failure: Failure) -> bool:
        """Whether a decider was lost so shortly before that its grants may still be suspect."""
        reach = self._suspect_seconds + 2 * self._timeout_seconds
        return any(outage.decided and _overlap(failure, outage.begun, outage.begun + reach) for outage in self._outages)


def _struck(loss: Loss, outage: Outage) -> bool:
    began = loss.opened if loss.asked is None else loss.asked
    return (
        loss.port == outage.port
        and loss.ended >= outage.begun - SLACK_SECONDS
        and min(began, loss.ended) <= outage.ended + SLACK_SECONDS
    )


def _explains(loss: Loss, failure: Failure) -> bool:
    since = loss.ended if loss.asked is None else loss.asked
    return failure.sent - SLACK_SECONDS <= since and loss.ended <= failure.answered + SLACK_SECONDS


def _named(loss: Loss, failure: Failure) -> bool:
    return re.search(rf":{loss.client_port}->", failure.message) is not None


def _overlap(failure: Failure, begun: float, ended: float) -> bool:
    return failure.sent <= ended + SLACK_SECONDS and failure.answered >= begun - SLACK_SECONDS
