"""Issuing: our own certificate authority, and the certificates that it signs. Time is an argument; keys are drawn."""

import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import NamedTuple

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
)
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from kubemacpool.certs.intervals import AS_SHIPPED, BACKDATED

AUTHORITY_NAME = "kubemacpool-ca"

USAGES = (ExtendedKeyUsageOID.SERVER_AUTH, ExtendedKeyUsageOID.CLIENT_AUTH)
"""A replica proves itself by one certificate: to the API server, and to the other replicas as their client."""

# The field Common Name is limited by X.509 to so many characters; verifiers read the alternative names.
_LONGEST_COMMON_NAME = 64

IPAddress = ipaddress.IPv4Address | ipaddress.IPv6Address


@dataclass(frozen=True)
class KeyPair:
    """A certificate and its private key, both PEM. The key is never part of the text form."""

    certificate_pem: bytes
    key_pem: bytes = field(repr=False)


class ServerNames(NamedTuple):
    """The names and addresses under which a server is reached."""

    dns: Sequence[str]
    addresses: Sequence[IPAddress] = ()


def service_names(services: Sequence[str], namespace: str) -> tuple[str, ...]:
    """The names of Services in a namespace, as the API server and clients inside the cluster use them."""
    return tuple(f"{service}.{namespace}.{suffix}" for service in services for suffix in ("svc", "svc.cluster.local"))


def issue_authority(now: datetime, lifetime: timedelta = AS_SHIPPED.authority.rotate) -> KeyPair:
    """A new certificate authority, self-signed, that may sign servers' certificates and nothing below them.

    Args:
        now: an aware time; the certificate is valid from an hour before it.
        lifetime: how long after `now` it is valid.
    """
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, AUTHORITY_NAME)])
    identifier = x509.SubjectKeyIdentifier.from_public_key(key.public_key())
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(now + lifetime)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(_key_usage(authority=True), critical=True)
        .add_extension(identifier, critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
        .sign(key, hashes.SHA256())
    )
    return _pair(certificate, key)


def issue_serving(
    authority: KeyPair, names: ServerNames, now: datetime, lifetime: timedelta = AS_SHIPPED.serving.rotate
) -> KeyPair:
    """A new certificate for a replica, signed by the authority, and never valid longer than the authority is.

    Args:
        authority: who signs.
        names: under which the server is reached; at least one name.
        now: an aware time; the certificate is valid from an hour before it.
        lifetime: how long after `now` it is valid.

    Raises:
        ValueError: the authority is not a certificate with its key.
    """
    issuer = x509.load_pem_x509_certificate(authority.certificate_pem)
    issuer_key = _issuer_key(authority)
    key = ec.generate_private_key(ec.SECP256R1())
    alternatives = [x509.DNSName(name) for name in names.dns]
    common_name = x509.NameAttribute(NameOID.COMMON_NAME, names.dns[0][:_LONGEST_COMMON_NAME])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([common_name]))
        .issuer_name(issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - BACKDATED)
        .not_valid_after(min(now + lifetime, issuer.not_valid_after_utc))
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_key_usage(authority=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage(list(USAGES)), critical=False)
        .add_extension(
            x509.SubjectAlternativeName([*alternatives, *(x509.IPAddress(address) for address in names.addresses)]),
            critical=False,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(issuer_key.public_key()), critical=False)
        .sign(issuer_key, hashes.SHA256())
    )
    return _pair(certificate, key)


def _issuer_key(authority: KeyPair) -> ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey:
    key = load_pem_private_key(authority.key_pem, password=None)
    if not isinstance(key, ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey):
        raise ValueError("the authority's key is neither EC nor RSA")  # noqa: TRY004 - the file's content, not a type
    return key


def _pair(certificate: x509.Certificate, key: ec.EllipticCurvePrivateKey) -> KeyPair:
    return KeyPair(
        certificate.public_bytes(Encoding.PEM),
        key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
    )


def _key_usage(*, authority: bool) -> x509.KeyUsage:
    """An authority signs certificates; a server signs handshakes (with an EC key it encrypts nothing)."""
    return x509.KeyUsage(
        digital_signature=not authority,
        key_cert_sign=authority,
        crl_sign=authority,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )
