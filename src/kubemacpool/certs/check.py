"""What has to be issued now, given what is stored and what time it is. Pure.

A chain of checks, each with one duty, each telling what is wrong in words that are fit for a log: no part of a key. An
authority that is good for nothing takes the serving certificate with it, because nobody would trust that one any more.
"""

import ssl
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_private_key

from kubemacpool.certs.authority import CERTIFICATE_KEY
from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.issue import USAGES, IPAddress, KeyPair, ServerNames

PRIVATE_KEY_KEY = "tls.key"
AUTHORITY_KEY = "ca.crt"

# Renewal begins when a third of the life is left, which leaves as long to notice that it fails.
RENEWED_WITH_LEFT = 1 / 3


class Verdict(NamedTuple):
    """What is good and is kept; None stands for what has to be issued, for the reason beside it."""

    authority: KeyPair | None
    authority_fault: str
    serving: KeyPair | None
    serving_fault: str


class _Unusable(Exception):  # noqa: N818 - a verdict, not an error: it never leaves this module
    """Why something stored is not used."""


def judge(
    authority: Mapping[str, bytes] | None, serving: Mapping[str, bytes] | None, names: ServerNames, now: datetime
) -> Verdict:
    """Judges the content of the two Secrets; None stands for one that is not there.

    Args:
        authority: the Secret of the certificate authority.
        serving: the Secret of the serving certificate.
        names: what the serving certificate has to cover.
        now: an aware time.
    """
    try:
        authority_pair, authority_certificate = _read_pair(authority)
        _check_life(authority_certificate, now)
        _check_may_sign(authority_certificate)
    except _Unusable as fault:
        return Verdict(None, str(fault), None, "its authority is issued anew")
    try:
        serving_pair, certificate = _read_pair(serving)
        _check_life(certificate, now)
        _check_issued_by(certificate, authority_certificate)
        _check_covers(certificate, names)
        _check_usages(certificate)
        _check_authority_beside_it(serving or {}, authority_pair)
        _check_usable(serving_pair)
    except _Unusable as fault:
        return Verdict(authority_pair, "", None, str(fault))
    return Verdict(authority_pair, "", serving_pair, "")


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
    if end - now < timedelta(seconds=(end - begin).total_seconds() * RENEWED_WITH_LEFT):
        raise _Unusable(f"expires on {end:%Y-%m-%d %H:%M} UTC, in the last third of its life")


def _check_may_sign(certificate: x509.Certificate) -> None:
    try:
        basic = certificate.extensions.get_extension_for_class(x509.BasicConstraints).value
    except (x509.ExtensionNotFound, ValueError):
        raise _Unusable("not a certificate authority") from None
    if not basic.ca:
        raise _Unusable("not a certificate authority")


def _check_issued_by(certificate: x509.Certificate, authority: x509.Certificate) -> None:
    try:
        certificate.verify_directly_issued_by(authority)
    except (ValueError, TypeError, InvalidSignature):
        raise _Unusable("not issued by our authority") from None


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


def _check_authority_beside_it(serving: Mapping[str, bytes], authority: KeyPair) -> None:
    if serving.get(AUTHORITY_KEY) != authority.certificate_pem:
        raise _Unusable(f"{AUTHORITY_KEY} is not our authority")


def _check_usable(pair: KeyPair) -> None:
    """Some can be read, and are refused by the TLS library that is to serve with them: a key that is too short, say."""
    try:
        server_context(pair.certificate_pem, pair.key_pem)
    except ssl.SSLError as error:
        raise _Unusable(f"cannot be used: {error.reason}") from None
