"""TLS contexts from certificates in memory."""

import os
import ssl
from contextlib import closing
from typing import Final

from kubemacpool.tls.policy import TlsPolicy

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
