"""Having a certificate that every replica shares: what is stored and good is used, anything else is issued anew.

Level-based: each pass reads what is there, judges it and mends one thing after the other; it may be run at any time and
by any number of replicas at once. A replica that loses a race (409) reads what the other one has written and goes on
from there.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta

import structlog

from kubemacpool.certs.authority import (
    CERTIFICATE_KEY,
    PREVIOUS_KEY,
    Authorities,
    authorities_of,
    succeeded_by_a_new_one,
)
from kubemacpool.certs.check import AUTHORITY_KEY, PRIVATE_KEY_KEY, judge
from kubemacpool.certs.issue import DEFAULT_LIFETIME, KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.ports import ConflictError, NotFoundError, Secrets, StoredSecret

_log = structlog.get_logger(__name__)

AUTHORITY_SECRET = "kubemacpool-ca"  # noqa: S105 - the name of a Secret
SERVING_SECRET = "kubemacpool-service"  # noqa: S105 - the name of a Secret

# Issuing both takes two passes, a third finds them good. Each lost race costs one more, and a replica loses at most a
# few before everybody agrees.
_PASSES = 12


@dataclass(frozen=True)
class Lifetimes:
    """How long what we issue is valid."""

    authority: timedelta = DEFAULT_LIFETIME
    serving: timedelta = DEFAULT_LIFETIME


@dataclass(frozen=True)
class Credentials:
    """What a server needs, and what its clients have to trust.

    Attributes:
        authorities: ours.
        serving: the certificate that we prove ourselves by, signed by the present authority, and its key.
        issued: whether anything had to be issued for it just now.
    """

    authorities: Authorities
    serving: KeyPair
    issued: bool = field(default=False, compare=False)


class Bootstrap:
    """Keeps the two Secrets good.

    Args:
        secrets: where they are kept.
        names: under which we are reached.
        lifetimes: of what we issue.
        time_of_day: now, aware.
    """

    def __init__(
        self,
        secrets: Secrets,
        names: ServerNames,
        *,
        lifetimes: Lifetimes = Lifetimes(),
        time_of_day: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._secrets = secrets
        self._names = names
        self._lifetimes = lifetimes
        self._time_of_day = time_of_day

    async def ensure_certificates(self, served_under: bytes = b"") -> Credentials:
        """Makes sure that the two Secrets are good, and gives what they hold.

        Args:
            served_under: certificate of the authority under which this replica serves, which stays trusted should
                another one have to be issued; empty where it does not serve yet.

        Raises:
            ConflictError: others kept changing the Secrets at the same time; again later.
            OutsideError: otherwise, as the API server answered.
        """
        for attempt in range(_PASSES):
            authority = await self._read(AUTHORITY_SECRET)
            serving = await self._read(SERVING_SECRET)
            stored, now = _content(authority), self._time_of_day()
            verdict = judge(stored, _content(serving), self._names, now)
            if verdict.authority is not None and verdict.serving is not None:
                return Credentials(authorities_of(stored or {}, now), verdict.serving, issued=attempt > 0)
            if verdict.authority is None:
                pair = issue_authority(now, self._lifetimes.authority)
                former = succeeded_by_a_new_one(stored or {}, served_under, now)
                entries = {**_entries(pair), PREVIOUS_KEY: former}
                await self._write(AUTHORITY_SECRET, authority, entries, verdict.authority_fault)
            else:
                pair = issue_serving(verdict.authority, self._names, now, self._lifetimes.serving)
                entries = {**_entries(pair), AUTHORITY_KEY: verdict.authority.certificate_pem}
                await self._write(SERVING_SECRET, serving, entries, verdict.serving_fault)
        raise ConflictError(
            f"the Secrets {AUTHORITY_SECRET} and {SERVING_SECRET} are changed by somebody else all the time"
        )

    async def _read(self, name: str) -> StoredSecret | None:
        try:
            return await self._secrets.read(name)
        except NotFoundError:
            return None

    async def _write(self, name: str, stored: StoredSecret | None, entries: Mapping[str, bytes], fault: str) -> None:
        """Writes what was issued. A lost race is no failure: the next pass judges what the winner wrote."""
        try:
            if stored is None:
                await self._secrets.create(name, entries)
                _log.info("a certificate was issued", secret=name, reason=fault)
            else:
                await self._secrets.update(name, entries, stored.resource_version)
                _log.warning("a certificate was issued anew", secret=name, reason=fault)
        except (ConflictError, NotFoundError):
            _log.info("another replica was faster", secret=name)


def _content(secret: StoredSecret | None) -> Mapping[str, bytes] | None:
    return secret.data if secret is not None else None


def _entries(pair: KeyPair) -> dict[str, bytes]:
    return {CERTIFICATE_KEY: pair.certificate_pem, PRIVATE_KEY_KEY: pair.key_pem}
