"""When the Secrets are written, and by whom: the leader at once, another replica where nobody has for a while.

::

    another authority is issued ──▶ everybody trusts it ──▶ it has settled ──▶ a serving certificate of it is issued
                                                                                     │
    the next authority is due ◀──────────────────────────────────────────────────────┘

One step after the other: whatever is in the Secrets may be served by whoever reads it, at once, also by a replica that
has just started; for it was issued under what has been trusted for a while. A replica that ends between two steps
leaves what another one goes on from.
"""

import random
from collections.abc import Callable
from typing import Final, NamedTuple

import structlog

from kubemacpool.certs.intervals import GRACE_SECONDS, SETTLED_SECONDS
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Bootstrap, Credentials, Stored
from kubemacpool.pacing import Backoff, Restraint
from kubemacpool.ports import Clock, OutsideError

SERIES_SECONDS: Final = 15.0
"""For which a replica that has written something goes on without waiting: the steps of one rotation belong together."""

_log = structlog.get_logger(__name__)


class _Want(NamedTuple):
    """What is to be written: which Secret, why, and whether somebody has spoilt what was there."""

    secret: str
    reason: str
    spoilt: bool


class Renewal:
    """Has the Secrets renewed.

    Args:
        bootstrap: reads and writes them.
        clock: the process's own.
        leads: whether this replica does.

    Attributes:
        bootstrap: the same.
        trouble: why what has to be written could not be; empty where it could, or has not to be.
    """

    def __init__(self, bootstrap: Bootstrap, clock: Clock, leads: Callable[[], bool]) -> None:
        self.trouble = ""
        self.bootstrap = bootstrap
        self._clock = clock
        self._leads = leads
        self._restraint = Restraint(clock)
        self._failures = Backoff()
        self._again_at = float("-inf")
        self._wrote_at = float("-inf")
        self._wanted: tuple[_Want, float] | None = None
        self._settled: tuple[bytes, float] | None = None
        """The present authority, and since when everybody trusts it who asks us."""

    def trusted(self, authority: bytes) -> None:
        """Nobody who asks us can be without this authority, from now on at the latest."""
        if self._settled is None or self._settled[0] != authority:
            self._settled = (authority, self._clock.now())

    def distrusted(self) -> None:
        """Somebody may be without it."""
        self._settled = None

    async def renew(self, stored: Stored, serving: Credentials) -> float | None:
        """Write what is due, one thing at a time.

        Args:
            stored: as it was read just now.
            serving: what this replica serves with.

        Returns:
            Seconds after which there may be something to write; None where something was written just now, or somebody
            else was faster: read again.
        """
        want = _wanted(stored)
        if want is None:
            self._wanted, self.trouble = None, ""
            self._failures.succeeded()
            return _seconds_until_renewal(stored)
        now = self._clock.now()
        if self._wanted is None or self._wanted[0] != want:
            self._wanted = (want, now)
        at_once = self._leads() or now - self._wrote_at < SERIES_SECONDS
        waits = [
            self._wanted[1] + (0.0 if at_once else GRACE_SECONDS) - now,
            self._again_at - now,
            self._restraint.pause if want.spoilt else 0.0,
            self._settling(stored, serving) if want.secret == SERVING_SECRET else 0.0,
        ]
        if (wait := max(waits)) > 0:
            return wait
        return await self._write(want, stored, serving)

    async def _write(self, want: _Want, stored: Stored, serving: Credentials) -> float | None:
        try:
            if want.secret == AUTHORITY_SECRET:
                await self.bootstrap.issue_authority(stored, serving.under + serving.authorities.bundle)
            else:
                await self.bootstrap.issue_serving(stored)
        except OutsideError as error:
            wait = self._failures.next_delay(random.random())  # noqa: S311 (keeps replicas apart, hides nothing)
            self._again_at = self._clock.now() + wait
            if str(error) != self.trouble:
                _log.warning(
                    "a certificate cannot be renewed, trying again",
                    secret=want.secret,
                    reason=want.reason,
                    error=str(error),
                )
            self.trouble = str(error)
            return wait
        self._wrote_at = self._clock.now()
        self._wanted = None
        if want.spoilt:
            self._restraint.written()
        return None

    def _settling(self, stored: Stored, serving: Credentials) -> float:
        """Seconds until a certificate of the present authority may be issued."""
        verdict = stored.verdict
        if verdict.authorities is None:
            return 0.0
        current = verdict.authorities.current
        if current in {verdict.under, serving.under} or serving.under not in verdict.authorities.trusted:
            return 0.0  # it is served under already; or nobody trusts what is served, and it cannot become worse
        needed = SETTLED_SECONDS if verdict.serving.pair is None else self.bootstrap.intervals.settling
        now = self._clock.now()
        since = self._settled[1] if self._settled is not None and self._settled[0] == current else now
        return since + needed - now


def _wanted(stored: Stored) -> _Want | None:
    """What is to be written next: a rotation that has begun is finished before another one begins."""
    authority, serving = stored.verdict.authority, stored.verdict.serving
    if authority.pair is None:
        return _Want(AUTHORITY_SECRET, authority.fault, spoilt=True)
    if serving.fault:
        return _Want(SERVING_SECRET, serving.fault, spoilt=serving.pair is None)
    return _Want(AUTHORITY_SECRET, authority.fault, spoilt=False) if authority.fault else None


def _seconds_until_renewal(stored: Stored) -> float:
    renewals = [each.renewal for each in (stored.verdict.authority, stored.verdict.serving) if each.renewal is not None]
    left = [(each - stored.now).total_seconds() for each in renewals]
    return min((each for each in left if each > 0), default=float("inf"))
