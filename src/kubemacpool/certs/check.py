"""What has to be issued now, given what is stored and what time it is. Pure.

A chain of checks, each with one duty, each telling what is wrong in words that are fit for a log: no part of a key. An
authority that is good for nothing takes the serving certificate with it, because nobody would trust that one any more.
What can be used and what has to be followed by another are two questions: a certificate goes on being served while the
next one is on its way.
"""

import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kubemacpool.certs.authority import CERTIFICATE_KEY, Authorities, authorities_of, is_issued_by
from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.intervals import Intervals
from kubemacpool.certs.issue import USAGES, IPAddress, KeyPair, ServerNames

PRIVATE_KEY_KEY = "tls.key"
AUTHORITY_KEY = "ca.crt"


class Judged(NamedTuple):
    """One certificate as it is stored.

    Attributes:
        pair: it and its key; None where it cannot be used.
        fault: why another one has to be issued; empty where it has not. One that can be used may have to be followed.
        certificate: the same certificate, parsed.
        renewal: when another one has to be issued, if nothing happens before.
    """

    pair: KeyPair | None = None
    fault: str = ""
    certificate: x509.Certificate | None = None
    renewal: datetime | None = None


class Verdict(NamedTuple):
    """What the two Secrets are worth.

    Attributes:
        authority: which signs.
        serving: by which we prove ourselves.
        authorities: ours; None where there is none that could sign.
        under: which of them has signed the serving certificate; empty where that cannot be used.
    """

    authority: Judged
    serving: Judged
    authorities: Authorities | None = None
    under: bytes = b""


class _Unusable(Exception):  # noqa: N818 - a verdict, not an error: it never leaves this module
    """Why something stored is not used."""


def judge(
    authority: Mapping[str, bytes] | None,
    serving: Mapping[str, bytes] | None,
    names: ServerNames,
    now: datetime,
    intervals: Intervals,
) -> Verdict:
    """Judges the content of the two Secrets; None stands for one that is not there.

    Args:
        authority: the Secret of the certificate authority.
        serving: the Secret of the serving certificate.
        names: what the serving certificate has to cover.
        now: an aware time.
        intervals: for how long each is valid, and used.
    """
    try:
        pair, root = _read_pair(authority)
        _check_life(root, now)
        _check_may_sign(root)
    except _Unusable as fault:
        return Verdict(Judged(fault=str(fault)), Judged(fault="its authority is issued anew"))
    renewal = intervals.authority.renewal(root)
    signing = Judged(pair, _old(root) if renewal <= now else "", root, renewal)
    authorities = authorities_of(authority or {}, now)
    try:
        serving_pair, certificate = _read_pair(serving)
        _check_life(certificate, now)
        under = _issuer(certificate, authorities)
        _check_covers(certificate, names)
        _check_usages(certificate)
        _check_authority_beside_it(serving or {}, under)
        _check_usable(serving_pair)
    except _Unusable as fault:
        return Verdict(signing, Judged(fault=str(fault)), authorities)
    due = intervals.serving.renewal(certificate)
    # One that ends with its authority is followed when that is: another one of it would end as soon.
    ends_with_it = certificate.not_valid_after_utc >= root.not_valid_after_utc
    reason = ""
    if under != authorities.current:
        reason = "its authority is followed by another one"
    elif due <= now and not ends_with_it:
        reason = _old(certificate)
    return Verdict(
        signing,
        Judged(serving_pair, reason, certificate, max(due, renewal) if ends_with_it else due),
        authorities,
        under,
    )


def _old(certificate: x509.Certificate) -> str:
    return f"expires on {certificate.not_valid_after_utc:%Y-%m-%d %H:%M:%S} UTC"


def _read_pair(data: Mapping[str, bytes] | None) -> tuple[KeyPair, x509.Certificate]:
    if data is None:
        raise _Unusable("there is none")
    certificate_pem, key_pem = data.get(CERTIFICATE_KEY, b""), data.get(PRIVATE_KEY_KEY, b"")
    try:
        certificate = x509.load_pem_x509_certificate(certificate_pem)
        certified = certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    except (ValueError, UnsupportedAlgorithm):
        raise _Unusable(f"{CERTIFICATE_KEY} holds no certificate that can be read") from None
    try:
        key = load_pem_private_key(key_pem, password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise _Unusable(f"{PRIVATE_KEY_KEY} holds no private key that can be read") from None
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise _Unusable(f"{PRIVATE_KEY_KEY} is neither an EC nor an RSA key")
    if key.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo) != certified:
        raise _Unusable(f"{PRIVATE_KEY_KEY} does not belong to {CERTIFICATE_KEY}")
    return KeyPair(certificate_pem, key_pem), certificate


def _check_life(certificate: x509.Certificate, now: datetime) -> None:
    begin, end = certificate.not_valid_before_utc, certificate.not_valid_after_utc
    if now < begin:
        raise _Unusable(f"not valid before {begin:%Y-%m-%d %H:%M} UTC")
    if end <= now:
        raise _Unusable(f"expired on {end:%Y-%m-%d %H:%M} UTC")


def _check_may_sign(certificate: x509.Certificate) -> None:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        raise _Unusable("not a certificate authority") from None
    if not basic.ca:
        raise _Unusable("not a certificate authority")


def _issuer(certificate: x509.Certificate, authorities: Authorities) -> bytes:
    for each in authorities.trusted:
        if is_issued_by(certificate, (each,)):
            return each
    raise _Unusable("not issued by our authority")


def _check_covers(certificate: x509.Certificate, names: ServerNames) -> None:
    try:
        covered = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except (x509.ExtensionNotFound, ValueError):
        raise _Unusable("covers no names") from None
    dns = covered.get_values_for_type(x509.DNSName)
    addresses: Sequence[IPAddress] = [
        address for address in covered.get_values_for_type(x509.IPAddress) if isinstance(address, IPAddress)
    ]
    missing = [name for name in names.dns if name not in dns]
    missing += [str(address) for address in names.addresses if address not in addresses]
    if missing:
        raise _Unusable(f"does not cover {', '.join(missing)}")


def _check_usages(certificate: x509.Certificate) -> None:
    """Early versions have issued certificates by which a replica cannot prove itself to another."""
    try:
        usages = certificate.extensions.get_extension_for_class(x509.ExtendedKeyUsage).value
    except (x509.ExtensionNotFound, ValueError):
        raise _Unusable("does not say what it is for") from None
    if not set(USAGES) <= set(usages):
        raise _Unusable("not for servers and clients both")


def _check_authority_beside_it(serving: Mapping[str, bytes], under: bytes) -> None:
    if serving.get(AUTHORITY_KEY) != under:
        raise _Unusable(f"{AUTHORITY_KEY} is not our authority")


def _check_usable(pair: KeyPair) -> None:
    """Some can be read, and are refused by the TLS library that is to serve with them: a key that is too short, say."""
    try:
        server_context(pair.certificate_pem, pair.key_pem)
    except ssl.SSLError as error:
        raise _Unusable(f"cannot be used: {error.reason}") from None
