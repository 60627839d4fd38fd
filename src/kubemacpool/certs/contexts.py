"""TLS: which versions and cipher suites are spoken, and contexts from certificates in memory."""

import os
import ssl
from collections.abc import Sequence
from contextlib import closing
from typing import Final, NamedTuple

DEFAULT_MIN_VERSION: Final = "VersionTLS13"

MIN_VERSIONS: Final = {
    "VersionTLS12": ssl.TLSVersion.TLSv1_2,
    "VersionTLS13": ssl.TLSVersion.TLSv1_3,
    "TLSv1.2": ssl.TLSVersion.TLSv1_2,
    "TLSv1.3": ssl.TLSVersion.TLSv1_3,
}
"""As Kubernetes' components write them, and as others do."""

_FOR_OUR_CERTIFICATE: Final = {
    "TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256": "ECDHE-ECDSA-AES128-GCM-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384": "ECDHE-ECDSA-AES256-GCM-SHA384",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305": "ECDHE-ECDSA-CHACHA20-POLY1305",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA256": "ECDHE-ECDSA-AES128-SHA256",
    "TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA": "ECDHE-ECDSA-AES128-SHA",
    "TLS_ECDHE_ECDSA_WITH_AES_256_CBC_SHA": "ECDHE-ECDSA-AES256-SHA",
}
"""Those of TLS 1.2 that a certificate with an ECDSA key can be used with, which ours always has; OpenSSL's names."""

_FOR_OTHER_CERTIFICATES: Final = frozenset(
    {
        "TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256",
        "TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_ECDHE_RSA_WITH_AES_128_CBC_SHA",
        "TLS_ECDHE_RSA_WITH_AES_256_CBC_SHA",
        "TLS_RSA_WITH_AES_128_GCM_SHA256",
        "TLS_RSA_WITH_AES_256_GCM_SHA384",
        "TLS_RSA_WITH_AES_128_CBC_SHA256",
        "TLS_RSA_WITH_AES_128_CBC_SHA",
        "TLS_RSA_WITH_AES_256_CBC_SHA",
    }
)
"""Lists that are meant for all components of a cluster have them; they make no difference here."""

_OF_TLS_1_3: Final = frozenset({"TLS_AES_128_GCM_SHA256", "TLS_AES_256_GCM_SHA384", "TLS_CHACHA20_POLY1305_SHA256"})
"""Always spoken: as in Go, those of TLS 1.3 are not for anybody to choose."""

SUITES: Final = tuple(sorted(_FOR_OUR_CERTIFICATE.keys() | _FOR_OTHER_CERTIFICATES | _OF_TLS_1_3))


class TlsPolicy(NamedTuple):
    """What is spoken at least.

    Attributes:
        minimum: the oldest version.
        ciphers: suites of TLS 1.2, in OpenSSL's words; empty for those that it deems good.
    """

    minimum: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ciphers: tuple[str, ...] = ()

    def apply(self, context: ssl.SSLContext) -> None:
        """Have a context keep to it."""
        context.minimum_version = self.minimum
        if self.ciphers:
            context.set_ciphers(":".join(self.ciphers))


def policy_of(min_version: str, cipher_suites: Sequence[str]) -> TlsPolicy:
    """What the words of the settings mean; each of them is one of `MIN_VERSIONS` and `SUITES`.

    Where suites are chosen and none of them can be used with TLS 1.2 and our certificate, that version is not spoken.
    """
    ciphers = tuple(dict.fromkeys(_FOR_OUR_CERTIFICATE[name] for name in cipher_suites if name in _FOR_OUR_CERTIFICATE))
    if cipher_suites and not ciphers:
        return TlsPolicy()
    return TlsPolicy(MIN_VERSIONS[min_version], ciphers)


OF_OTHERS: Final = TlsPolicy(ssl.TLSVersion.TLSv1_2)

# What the standard library can load a key from is a file. This one has no name in any directory and ends with the
# process.
_SCRATCH_NAME = "kubemacpool-tls"


def server_context(
    certificate_pem: bytes,
    key_pem: bytes,
    client_authorities: bytes | None = None,
    policy: TlsPolicy = TlsPolicy(),  # noqa: B008 (nobody can change it)
) -> ssl.SSLContext:
    """For a server of HTTP/1.1.

    Args:
        certificate_pem: what it proves itself by.
        key_pem: the key of that.
        client_authorities: certificates, PEM. Clients are asked for one that these have signed, and need not have any;
            one that somebody else has signed ends the handshake. None for a server that does not ask.
        policy: what is spoken at least.

    Raises:
        ssl.SSLError: certificate and key do not belong together, or one of them is not PEM.
    """
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    policy.apply(context)
    context.set_alpn_protocols(["http/1.1"])
    # A resumed session proves what a handshake long ago has proven; each connection proves it anew.
    context.options |= ssl.OP_NO_TICKET
    context.num_tickets = 0
    if client_authorities is not None:
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_verify_locations(cadata=client_authorities.decode("ascii", "ignore"))
    _load_identity(context, certificate_pem, key_pem)
    return context


def client_context(
    ca_pem: bytes | None,
    *,
    verify: bool = True,
    identity: tuple[bytes, bytes] | None = None,
    policy: TlsPolicy = OF_OTHERS,
) -> ssl.SSLContext:
    """For a client.

    Args:
        ca_pem: whom to trust; None for the machine's own list.
        verify: whether the server's certificate and name are checked at all.
        identity: client certificate and its key, both PEM.
        policy: what is spoken at least; TLS 1.2 where the server is not ours.

    Raises:
        ssl.SSLError: something in the PEM cannot be used.
    """
    context = ssl.create_default_context(cadata=ca_pem.decode("ascii", "ignore") if ca_pem is not None else None)
    policy.apply(context)
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if identity is not None:
        _load_identity(context, *identity)
    return context


def _load_identity(context: ssl.SSLContext, certificate_pem: bytes, key_pem: bytes) -> None:
    with closing(os.fdopen(os.memfd_create(_SCRATCH_NAME, os.MFD_CLOEXEC), "wb")) as scratch:
        scratch.write(certificate_pem.rstrip() + b"\n" + key_pem.rstrip() + b"\n")
        scratch.flush()
        context.load_cert_chain(f"/proc/self/fd/{scratch.fileno()}")
