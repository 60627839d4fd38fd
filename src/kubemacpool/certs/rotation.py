"""Having a certificate that every replica shares: what the two Secrets hold, and issuing what they lack.

Any number of replicas may do it at once. A write holds only for the Secret that was read; a replica that loses a race
(409) reads what the other one has written and goes on from there.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime

import structlog

from kubemacpool.certs.authority import CERTIFICATE_KEY, PREVIOUS_KEY, Authorities, succeeded_by_a_new_one
from kubemacpool.certs.check import AUTHORITY_KEY, PRIVATE_KEY_KEY, Judged, Verdict, judge
from kubemacpool.certs.intervals import AS_SHIPPED, Intervals
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.ports import ConflictError, NotFoundError, RefusedError, Secrets, StoredSecret

_log = structlog.get_logger(__name__)

AUTHORITY_SECRET = "kubemacpool-ca"  # noqa: S105 - the name of a Secret
SERVING_SECRET = "kubemacpool-service"  # noqa: S105 - the name of a Secret

# Issuing both takes two passes, a third finds them good. Each lost race costs one more, and a replica loses at most a
# few before everybody agrees.
_PASSES = 12


@dataclass(frozen=True)
class Credentials:
    """What a server needs, and what its clients have to trust.

    Attributes:
        authorities: ours.
        serving: the certificate that we prove ourselves by, and its key.
        under: which of the authorities has signed it, PEM.
    """

    authorities: Authorities
    serving: KeyPair
    under: bytes


@dataclass(frozen=True)
class Stored:
    """The two Secrets as they were read, and what they are worth."""

    authority: StoredSecret | None
    serving: StoredSecret | None
    verdict: Verdict
    now: datetime

    @property
    def credentials(self) -> Credentials | None:
        """What they hold; None where something that can be used is missing."""
        verdict = self.verdict
        if verdict.authorities is None or verdict.serving.pair is None:
            return None
        return Credentials(verdict.authorities, verdict.serving.pair, verdict.under)


class Bootstrap:
    """Keeps the two Secrets good.

    Args:
        secrets: where they are kept.
        names: under which we are reached.
        intervals: for how long what we issue is valid, and used.
        time_of_day: now, aware.
    """

    def __init__(
        self,
        secrets: Secrets,
        names: ServerNames,
        *,
        intervals: Intervals = AS_SHIPPED,
        time_of_day: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self.intervals = intervals
        self._secrets = secrets
        self._names = names
        self._time_of_day = time_of_day

    async def ensure_certificates(self, patience: float = 0.0) -> Credentials:
        """Makes sure that the two Secrets hold what can be used, and gives it. What is merely old is left as it is.

        Args:
            patience: seconds for which what somebody has spoilt is left to replicas that serve: they know under which
                authority they do, and keep it trusted.

        Raises:
            ConflictError: others kept changing the Secrets at the same time; again later.
            OutsideError: otherwise, as the API server answered.
        """
        for attempt in range(_PASSES):
            stored = await self.look()
            if (credentials := stored.credentials) is not None:
                return credentials
            installed = stored.authority is not None or stored.serving is not None
            if patience > 0 and attempt == 0 and installed:
                await asyncio.sleep(patience)
            elif stored.verdict.authority.pair is None:
                await self.issue_authority(stored)
            else:
                await self.issue_serving(stored)
        raise ConflictError(
            f"the Secrets {AUTHORITY_SECRET} and {SERVING_SECRET} are changed by somebody else all the time"
        )

    async def look(self) -> Stored:
        """What the Secrets hold now.

        Raises:
            OutsideError: as the API server answered.
        """
        authority = await self._read(AUTHORITY_SECRET)
        serving = await self._read(SERVING_SECRET)
        now = self._time_of_day()
        return Stored(
            authority, serving, judge(_content(authority), _content(serving), self._names, now, self.intervals), now
        )

    async def issue_authority(self, stored: Stored, served_under: bytes = b"") -> None:
        """Put another authority in the place of the one that is there, which stays trusted until it expires.

        Args:
            stored: as it was read.
            served_under: certificates of the authorities under which replicas serve, PEM, which stay trusted also when
                the Secret was lost; empty where this one does not serve yet.

        Raises:
            OutsideError: it could not be written.
        """
        now = stored.now
        pair = issue_authority(now, self.intervals.authority.rotate)
        former = succeeded_by_a_new_one(_content(stored.authority) or {}, served_under, now)
        entries = {**_entries(pair), PREVIOUS_KEY: former}
        await self._write(AUTHORITY_SECRET, stored.authority, entries, stored.verdict.authority)

    async def issue_serving(self, stored: Stored) -> None:
        """Put another certificate of the present authority, which has been judged good, in the place of what is there.

        Raises:
            OutsideError: it could not be written.
        """
        authority = stored.verdict.authority.pair
        if authority is None:
            raise ValueError("there is no authority to sign")
        pair = issue_serving(authority, self._names, stored.now, self.intervals.serving.rotate)
        entries = {**_entries(pair), AUTHORITY_KEY: authority.certificate_pem}
        await self._write(SERVING_SECRET, stored.serving, entries, stored.verdict.serving)

    async def rehearse(self, stored: Stored) -> None:
        """Ask whether the Secrets could be written.

        Raises:
            RefusedError: one of them could not.
            OutsideError: that cannot be said now.
        """
        for name, secret in ((AUTHORITY_SECRET, stored.authority), (SERVING_SECRET, stored.serving)):
            if secret is not None:
                await self._secrets.rehearse(name, secret.resource_version)

    async def _read(self, name: str) -> StoredSecret | None:
        try:
            return await self._secrets.read(name)
        except NotFoundError:
            return None

    async def _write(
        self, name: str, stored: StoredSecret | None, entries: Mapping[str, bytes], before: Judged
    ) -> None:
        """Writes what was issued. A lost race is no failure: the next look judges what the winner wrote.

        Raises:
            RefusedError: the Secret is somebody else's.
        """
        fault = before.fault
        if stored is not None and stored.kept_by:
            raise RefusedError(
                f"Secret {name} is what cert-manager keeps for Certificate {stored.kept_by}, so it is not written "
                f"({fault}); give that Certificate another secretName, and name its files with --tls-cert-file"
            )
        try:
            if stored is None:
                await self._secrets.create(name, entries)
                _log.info("a certificate was issued", secret=name, reason=fault)
            else:
                await self._secrets.update(name, entries, stored.resource_version)
                tell = _log.warning if before.pair is None else _log.info
                tell("a certificate was issued anew", secret=name, reason=fault)
        except (ConflictError, NotFoundError):
            _log.info("another replica was faster", secret=name)


def _content(secret: StoredSecret | None) -> Mapping[str, bytes] | None:
    return secret.data if secret is not None else None


def _entries(pair: KeyPair) -> dict[str, bytes]:
    return {CERTIFICATE_KEY: pair.certificate_pem, PRIVATE_KEY_KEY: pair.key_pem}
