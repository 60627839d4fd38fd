"""Whether a client that trusts so and so would accept what is served: tried, in memory."""

import ssl
from typing import Final

from kubemacpool.certs.authority import certificates_in

_TURNS: Final = 8
"""A handshake of TLS 1.3 takes three."""


def fault_of_trust(server: ssl.SSLContext, bundle: bytes, name: str) -> str:
    """Why a client with these authorities would not speak to a server; empty where it would.

    Args:
        server: as it is served with.
        bundle: certificates, PEM, as a caBundle has them.
        name: by which the client asks.
    """
    if not bundle.strip():
        return "is empty"
    if not certificates_in(bundle):
        return "holds no certificate that can be read"
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.minimum_version = ssl.TLSVersion.TLSv1_2
    try:
        client.load_verify_locations(cadata=bundle.decode("ascii", "ignore"))
        _shake_hands(client, server, name)
    except ssl.SSLCertVerificationError as error:
        return f"does not vouch for the certificate that is served: {error.verify_message}"
    except ssl.SSLError as error:
        return f"cannot be used: {error.reason}"
    return ""


def _shake_hands(client: ssl.SSLContext, server: ssl.SSLContext, name: str) -> None:
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    asking = client.wrap_bio(back, there, server_hostname=name)
    asked = server.wrap_bio(there, back, server_side=True)
    for _ in range(_TURNS):
        if _done(asking) & _done(asked):
            return


def _done(side: ssl.SSLObject) -> bool:
    try:
        side.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True
