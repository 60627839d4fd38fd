"""Keys and certificates of one cluster: a CA, what it signs, and the key of the service account tokens."""

from __future__ import annotations

import datetime as dt
import ipaddress
from typing import TYPE_CHECKING

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from devcluster.errors import SettingError
from devcluster.files import write_atomically

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

CA = "ca"
# A development cluster lives for days; a year leaves room and still ends.
LIFETIME = dt.timedelta(days=365)
# Clocks of virtual machines that resume from sleep may lag.
CLOCK_SKEW = dt.timedelta(hours=1)


class Signer:
    """A CA that signs one pair of files per name into a directory."""

    def __init__(self, home: Path, into: Path) -> None:
        """Read the CA of its home directory."""
        self._directory = into
        key = serialization.load_pem_private_key((home / f"{CA}.key").read_bytes(), password=None)
        if not isinstance(key, ec.EllipticCurvePrivateKey):
            message = f"{home / CA}.key is not a key that was made here; run `make cluster-down` and `make cluster-up`."
            raise SettingError(message)
        self._key = key
        self._name = x509.load_pem_x509_certificate((home / f"{CA}.crt").read_bytes()).subject

    def server(self, file_name: str, hosts: Sequence[str]) -> None:
        """Write `FILE_NAME.crt` and `.key` for a server with these DNS names and IP addresses."""
        names = x509.SubjectAlternativeName([_general_name(host) for host in hosts])
        self._sign(file_name, _name(hosts[0], ()), ExtendedKeyUsageOID.SERVER_AUTH, names)

    def client(self, file_name: str, user: str, groups: Sequence[str] = ()) -> None:
        """Write `FILE_NAME.crt` and `.key` for a Kubernetes user in these groups."""
        self._sign(file_name, _name(user, groups), ExtendedKeyUsageOID.CLIENT_AUTH, None)

    def _sign(
        self,
        file_name: str,
        subject: x509.Name,
        usage: x509.ObjectIdentifier,
        names: x509.SubjectAlternativeName | None,
    ) -> None:
        key = ec.generate_private_key(ec.SECP256R1())
        builder = (
            _builder(subject, self._name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
            .add_extension(_key_usage(signs_certificates=False), critical=True)
            .add_extension(x509.ExtendedKeyUsage([usage]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
        )
        if names is not None:
            builder = builder.add_extension(names, critical=False)
        _write_pair(self._directory, file_name, key, builder.sign(self._key, hashes.SHA256()))


class Authority(Signer):
    """A new CA, whose home is where it signs."""

    def __init__(self, directory: Path) -> None:
        """Make it, and replace what the directory holds."""
        key = ec.generate_private_key(ec.SECP256R1())
        name = _name("kubemacpool-devcluster", ())
        certificate = (
            _builder(name, name, key.public_key())
            .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
            .add_extension(_key_usage(signs_certificates=True), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
            .sign(key, hashes.SHA256())
        )
        _write_pair(directory, CA, key, certificate)
        super().__init__(directory, directory)


def write_token_key(directory: Path) -> None:
    """Write `service-account.key` and `.pub`, with which the API server signs and checks tokens."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_atomically(directory / "service-account.key", _private_bytes(key))
    public = key.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    write_atomically(directory / "service-account.pub", public)


def _builder(subject: x509.Name, issuer: x509.Name, key: ec.EllipticCurvePublicKey) -> x509.CertificateBuilder:
    now = dt.datetime.now(dt.UTC)
    return (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer)
        .public_key(key)
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - CLOCK_SKEW)
        .not_valid_after(now + LIFETIME)
    )


def _name(common_name: str, organizations: Sequence[str]) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name) for name in organizations]
        + [x509.NameAttribute(NameOID.COMMON_NAME, common_name)]
    )


def _general_name(host: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(host))
    except ValueError:
        return x509.DNSName(host)


def _key_usage(*, signs_certificates: bool) -> x509.KeyUsage:
    return x509.KeyUsage(
        digital_signature=True,
        key_cert_sign=signs_certificates,
        crl_sign=signs_certificates,
        content_commitment=False,
        key_encipherment=False,
        data_encipherment=False,
        key_agreement=False,
        encipher_only=False,
        decipher_only=False,
    )


def _private_bytes(key: ec.EllipticCurvePrivateKey) -> bytes:
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def _write_pair(directory: Path, name: str, key: ec.EllipticCurvePrivateKey, certificate: x509.Certificate) -> None:
    write_atomically(directory / f"{name}.key", _private_bytes(key))
    write_atomically(directory / f"{name}.crt", certificate.public_bytes(serialization.Encoding.PEM), 0o644)
