"""Whose signature counts: our present authority, those before it, and what a caBundle makes of them. Pure.

Ours is what the Secret of the authority holds, and nothing else: a name anybody can write on a certificate.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

CERTIFICATE_KEY: Final = "tls.crt"
PREVIOUS_KEY: Final = "previous.crt"
"""Of the authority's Secret: the certificates, without keys, of authorities that some replica may serve under still."""

MOST_FORMER: Final = 4
"""Three overlap at most, whatever the intervals; the fourth is what a mishap may add."""

LAPSING: Final = timedelta(hours=1)
"""An authority that expired no longer ago may stay in a caBundle: the replicas' clocks need not agree to the second,
and one must not write what another takes out again."""


class Authorities(NamedTuple):
    """Certificates of authorities that are ours, PEM, one each.

    Attributes:
        current: which signs.
        former: which have signed what some replica may serve under still, the latest first.
        lapsed: which expired only just.
    """

    current: bytes
    former: tuple[bytes, ...] = ()
    lapsed: tuple[bytes, ...] = ()

    @property
    def trusted(self) -> tuple[bytes, ...]:
        """Those whose signature counts, the present one first."""
        return (self.current, *self.former)

    @property
    def bundle(self) -> bytes:
        """Those whose signature counts, in one PEM."""
        return b"".join(self.trusted)


def authorities_of(stored: Mapping[str, bytes], now: datetime) -> Authorities:
    """Ours, as the Secret has them; its present one has been judged good."""
    (current,) = certificates_in(stored[CERTIFICATE_KEY])[:1]
    kept = [each for each in dict.fromkeys(certificates_in(stored.get(PREVIOUS_KEY, b""))) if _is_authority(each)]
    former = [each for each in kept if each != current]
    valid = [each for each in former if now < each.not_valid_after_utc]
    lapsed = [each for each in former if each.not_valid_after_utc <= now < each.not_valid_after_utc + LAPSING]
    return Authorities(_pem(current), _all_pem(valid[:MOST_FORMER]), _all_pem(lapsed[:MOST_FORMER]))


def succeeded_by_a_new_one(stored: Mapping[str, bytes], served_under: bytes, now: datetime) -> bytes:
    """What the Secret is to keep of the authorities before one that is about to be issued.

    Args:
        stored: the Secret as it is, whatever it holds.
        served_under: certificates of the authorities under which replicas serve, PEM; empty where none does yet.
        now: an aware time.
    """
    contents = (served_under, stored.get(CERTIFICATE_KEY, b""), stored.get(PREVIOUS_KEY, b""))
    found = [each for content in contents for each in certificates_in(content)]
    kept = [each for each in dict.fromkeys(found) if _is_authority(each) and now < each.not_valid_after_utc]
    return b"".join(_all_pem(kept[:MOST_FORMER]))


def fault_of_bundle(bundle: bytes, ours: Authorities) -> str:
    """What is wrong with a caBundle; empty where nothing is."""
    if not bundle.strip():
        return "is empty"
    present = {_der(each) for each in certificates_in(bundle)}
    if not present:
        return "holds no certificate that can be read"
    needed = {_der(each) for each in certificates_in(ours.bundle)}
    if not needed <= present:
        return "does not hold our certificate authority"
    if not present <= needed | {_der(each) for each in certificates_in(b"".join(ours.lapsed))}:
        return "holds certificates that are not ours"
    return ""


def certificates_in(content: bytes) -> list[x509.Certificate]:
    """The certificates of a PEM; none where it cannot be read."""
    try:
        return x509.load_pem_x509_certificates(content)
    except ValueError:
        return []


def is_issued_by(certificate: x509.Certificate, authorities: Iterable[bytes]) -> bool:
    """Whether one of these authorities has signed the certificate itself."""
    return any(_signed(certificate, each) for pem in authorities for each in certificates_in(pem))


def _signed(certificate: x509.Certificate, authority: x509.Certificate) -> bool:
    try:
        certificate.verify_directly_issued_by(authority)
    except Exception:  # noqa: BLE001 (whatever is wrong with a certificate that a stranger sent, it is not signed)
        return False
    return True


def _is_authority(certificate: x509.Certificate) -> bool:
    try:
        return certificate.extensions.get_extension_for_class(x509.BasicConstraints).value.ca
    except (x509.ExtensionNotFound, ValueError):
        return False


def _all_pem(certificates: Sequence[x509.Certificate]) -> tuple[bytes, ...]:
    return tuple(map(_pem, certificates))


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.PEM)


def _der(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(Encoding.DER)
