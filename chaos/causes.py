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

    from chaos.doubt import Doubt

# Between two processes' looks at the clock, and until a loop gets round to looking.
SLACK_SECONDS = 0.3
# As the API server and the program under test word it.
_WEBHOOK_FAILED = "failed calling webhook"
_TOO_LATE = "context deadline exceeded"
_COME_AGAIN = "kubemacpool cannot decide yet"
_CROWDED = "addresses are on their way to the cluster"
_LAUNCHER = re.compile(r"^Pod [^/]+/virt-launcher-(vm-\d+)-")


class Cause(StrEnum):
    """Why a create failed."""

    INSIDE = "inside"
    DEAD = "dead endpoint"
    IN_DOUBT = "in_doubt"
    LATE = "late view"
    API_SERVER = "API server"
    OTHER = "other"


MEANINGS = {
    Cause.INSIDE: "inside the killed or paused process",
    Cause.DEAD: "sent to a dead endpoint before its removal",
    Cause.IN_DOUBT: "asked for an address that an earlier leader may have allocated, or when such filled the Lease",
    Cause.LATE: "a launcher pod whose instance the leader had not seen, its watch being cut or silent",
    Cause.API_SERVER: "the API server itself was down",
    Cause.OTHER: "anything else: a fault of the program",
}


class Failure(msgspec.Struct, frozen=True):
    """A create that failed."""

    pod: str
    sent: float
    answered: float
    status: int
    """0 where there was no answer."""
    message: str
    explicit: str
    """The address that it asked for; empty for any."""


class Verdict(msgspec.Struct, frozen=True):
    """Why a create failed, and since when that had been so."""

    cause: Cause
    since: float


class Outage(msgspec.Struct):
    """A process that was killed or paused, by the port of its webhook."""

    port: int
    begun: float
    ended: float = math.inf
    """When it went on, or its successor was ready."""


class Loss(msgspec.Struct, frozen=True):
    """A connection to a replica that came to nothing: refused, broken, or given up unanswered."""

    port: int
    client_port: int
    opened: float
    ended: float
    asked: float | None
    """Since when an answer was waited for; None if none was, as far as encrypted bytes show."""


class Window(msgspec.Struct):
    """When the API server was down, or the leader's watches were."""

    begun: float
    ended: float = math.inf


class Attribution:
    """Gives each failed create its cause."""

    def __init__(
        self,
        outages: Sequence[Outage],
        downtimes: Sequence[Window],
        delays: Sequence[Window],
        doubt: Doubt,
    ) -> None:
        """Keep what happened; all four may grow.

        Args:
            outages: processes killed and paused.
            downtimes: of the API server.
            delays: of a leader's watches.
            doubt: which addresses were in doubt.
        """
        self._outages = outages
        self._downtimes = downtimes
        self._delays = delays
        self._doubt = doubt
        self._losses: list[tuple[Loss, Outage]] = []

    def learn(self, losses: Iterable[Loss]) -> None:
        """Take note of connections that came to nothing; those to replicas that were well excuse nobody."""
        for loss in losses:
            outage = next((outage for outage in self._outages if _struck(loss, outage)), None)
            if outage is not None:
                self._losses.append((loss, outage))

    def judge(self, failure: Failure) -> Verdict:
        """Find the cause, and use up the connection that excuses the failure.

        Of several failures, those that were answered first are judged first: so none is left without a connection that
        would have had one, had another taken another.
        """
        since = self._in_doubt_since(failure)
        if since is not None:
            return Verdict(Cause.IN_DOUBT, since)
        if _WEBHOOK_FAILED in failure.message:
            candidates = [entry for entry in self._losses if _explains(entry[0], failure)]
            if candidates:
                # The API server may name its own end of the connection; else the one that waited is likelier. Of those
                # that are left, the one that began first is of least use to the failures that were answered later.
                best = min(
                    candidates,
                    key=lambda entry: (not _named(entry[0], failure), entry[0].asked is None, _since(entry[0])),
                )
                self._losses.remove(best)
                loss, outage = best
                return Verdict(Cause.DEAD if loss.opened >= outage.begun else Cause.INSIDE, outage.begun)
        if (machine := _LAUNCHER.search(failure.pod)) is not None and machine[1] in failure.message:
            for window in self._delays:
                if _overlap(failure, window.begun, window.ended):
                    return Verdict(Cause.LATE, window.begun)
        for window in self._downtimes:
            if _overlap(failure, window.begun, window.ended):
                return Verdict(Cause.API_SERVER, window.begun)
        return Verdict(Cause.OTHER, failure.sent)

    def _in_doubt_since(self, failure: Failure) -> float | None:
        """Since when what an earlier leader may have allocated was in the way; None where it was not."""
        if not failure.explicit or not _held_up(failure):
            return None
        since = self._doubt.since(failure.explicit, failure.sent, failure.answered)
        if since is None and _CROWDED in failure.message:
            return self._doubt.crowded_since(failure.sent, failure.answered)
        return since


def _held_up(failure: Failure) -> bool:
    """Whether it was asked to come again until there was no time left."""
    return _COME_AGAIN in failure.message or (_WEBHOOK_FAILED in failure.message and _TOO_LATE in failure.message)


def _struck(loss: Loss, outage: Outage) -> bool:
    began = loss.opened if loss.asked is None else loss.asked
    return (
        loss.port == outage.port
        and loss.ended >= outage.begun - SLACK_SECONDS
        and min(began, loss.ended) <= outage.ended + SLACK_SECONDS
    )


def _since(loss: Loss) -> float:
    return loss.ended if loss.asked is None else loss.asked


def _explains(loss: Loss, failure: Failure) -> bool:
    return failure.sent - SLACK_SECONDS <= _since(loss) and loss.ended <= failure.answered + SLACK_SECONDS


def _named(loss: Loss, failure: Failure) -> bool:
    return re.search(rf":{loss.client_port}->", failure.message) is not None


def _overlap(failure: Failure, begun: float, ended: float) -> bool:
    return failure.sent <= ended + SLACK_SECONDS and failure.answered >= begun - SLACK_SECONDS
