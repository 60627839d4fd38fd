"""When the certificates end, told while there is time: in the metrics, in what /readyz says, and in the log."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import structlog
from cryptography import x509

from kubemacpool.certs.authority import certificates_in
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.intervals import Intervals
from kubemacpool.certs.rotation import Stored
from kubemacpool.follow.readiness import Readiness
from kubemacpool.telemetry.metrics import Metrics

TOLERATED_SKEW: Final = timedelta(seconds=60)
"""Between our clock and the API server's. Certificates are issued by the API server's, and backdated by an hour."""

_ENDED: Final = "certificate"
_RENEWAL: Final = "renewal"
_GIVEN: Final = "given certificate"
_CLOCK: Final = "clock"

_log = structlog.get_logger(__name__)


class Expiry:
    """Tells when the certificates end.

    Args:
        intervals: by which ours are renewed.
        readiness: hindered when what is served has ended; before that, it is remarked there.
        metrics: learns the times.
        skew: how far the API server's clock is ahead of ours.
        given_fault: why what is given as files is not taken up; empty where it is, or nothing is given.
    """

    def __init__(
        self,
        intervals: Intervals,
        readiness: Readiness,
        metrics: Metrics,
        skew: Callable[[], timedelta] = timedelta,
        given_fault: Callable[[], str] = str,
    ) -> None:
        self._intervals = intervals
        self._readiness = readiness
        self._metrics = metrics
        self._skew = skew
        self._given_fault = given_fault
        self._said: dict[str, str] = {}

    def tell(self, stored: Stored, identity: Identity, trouble: str) -> None:
        """Tell of the certificates as they are now.

        Args:
            stored: the Secrets as they were read just now.
            identity: what is served.
            trouble: why what has to be renewed could not be; empty where it could.
        """
        authority = stored.verdict.authority
        if authority.certificate is not None:
            self._measure("authority", authority.certificate, self._intervals.authority.renewal(authority.certificate))
        (serving,) = certificates_in(identity.shown.certificate_pem)[:1]
        given = identity.presented is not None
        stored_one = stored.verdict.serving
        renewal = _usual_renewal(serving) if given else self._intervals.serving.renewal(serving)
        if serving == stored_one.certificate and stored_one.renewal is not None:
            renewal = stored_one.renewal
        self._measure("serving", serving, renewal)
        end = f"{serving.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"
        self._remark(_RENEWAL, f"certificates cannot be renewed: {trouble}; what is served ends on {end}", trouble)
        late = given and renewal <= stored.now
        why = self._given_fault() or ("the files hold no other one" if late else "")
        self._remark(_GIVEN, f"the certificate of --tls-cert-file ends on {end} and has not been replaced: {why}", why)
        skew = self._skew()
        self._remark(
            _CLOCK,
            f"the clock of this replica differs from the API server's by {abs(skew)}, which counts for certificates",
            abs(skew) > TOLERATED_SKEW,
        )
        if serving.not_valid_after_utc <= stored.now:
            self._readiness.hinder(_ENDED, f"the certificate that is served expired on {end}")
        else:
            self._readiness.clear(_ENDED)

    def _measure(self, which: str, certificate: x509.Certificate, renewal: datetime) -> None:
        self._metrics.certificate_ends(which, certificate.not_valid_after_utc.timestamp(), renewal.timestamp())

    def _remark(self, name: str, sentence: str, applies: object) -> None:
        if not applies:
            self._readiness.forget(name)
            self._said.pop(name, None)
            return
        self._readiness.remark(name, sentence)
        if name not in self._said:
            _log.warning("certificates need to be looked at", reason=sentence)
        self._said[name] = sentence


def _usual_renewal(certificate: x509.Certificate) -> datetime:
    """When those who give certificates renew them as a rule: cert-manager does when a third of the life is left."""
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    return begin + (end - begin) * 2 / 3


def corrected(skew: timedelta) -> datetime:
    """Now, by the API server's clock where that differs; what it verifies has to be valid by that."""
    now = datetime.now(UTC)
    return now + skew if abs(skew) > TOLERATED_SKEW else now
