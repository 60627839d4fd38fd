"""How long what we issue is valid, and how long before its end another one takes over. Pure."""

from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from cryptography import x509

BACKDATED: Final = timedelta(hours=1)
"""A verifier whose clock is behind ours must not see a certificate from its future."""

SETTLED_SECONDS: Final = 2.0
"""For which a new authority is in the caBundles, at least, before a certificate of it is issued. API servers follow
their configuration by a watch, within milliseconds where they are well, and the other replicas the Secrets likewise."""

ADMISSION_SECONDS: Final = 12.0
"""Seconds of the same wherever the overlap is three times that. An admission asks with the caBundle that it began with,
and asks again after each 503, until the webhook's time-out: 10 s as shipped. Seen: one that was under way when the
authority was exchanged failed with `x509: certificate signed by unknown authority` 4 s after the caBundle had both."""

LONGEST_SETTLING: Final = 30.0
"""Seconds of the same where there is time: an API server that is slow or just starting gets them."""

GRACE_SECONDS: Final = 3.0
"""For which whoever does not lead leaves it to the leader. Another one may take longer to be found than what is spoilt
may take to heal."""

SHORTEST_OVERLAP: Final = timedelta(seconds=8)
"""What it takes to exchange everything when the leader has just gone, `GRACE_SECONDS` and `SETTLED_SECONDS`, and three
seconds for the writes."""

SHORTEST_ROTATION: Final = SHORTEST_OVERLAP * 3 / 2
"""Of which a third lies before the overlap (`Interval.renewal`)."""


class Interval(NamedTuple):
    """Of one kind of certificate.

    Attributes:
        rotate: how long it is valid.
        overlap: how long before its end another one is issued.
    """

    rotate: timedelta
    overlap: timedelta

    def renewal(self, certificate: "x509.Certificate") -> datetime:
        """When another one is to be issued.

        A third of the interval lies between two in any case: an overlap as long as the interval would have each issued
        for no longer than a moment. Where the interval was made shorter since, it counts as it is now.
        """
        issued = certificate.not_valid_before_utc + BACKDATED
        end = min(certificate.not_valid_after_utc, issued + self.rotate)
        return min(certificate.not_valid_after_utc, max(issued + self.rotate / 3, end - self.overlap))


class Intervals(NamedTuple):
    """By default those that the Go implementation is shipped with."""

    authority: Interval = Interval(timedelta(days=365), timedelta(days=1))
    serving: Interval = Interval(timedelta(days=182, hours=12), timedelta(days=1))

    @property
    def settling(self) -> float:
        """Seconds for which a new authority is trusted before a certificate of it is issued, where nothing presses."""
        overlap = self.authority.overlap.total_seconds()
        return min(LONGEST_SETTLING, max(SETTLED_SECONDS, overlap / 10, min(ADMISSION_SECONDS, overlap / 3)))


AS_SHIPPED: Final = Intervals()
