"""The authority of the API server's client certificate: a file that is read again when it changes."""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from kubemacpool.certs.authority import Authorities
from kubemacpool.certs.contexts import TlsPolicy, client_context
from kubemacpool.certs.issue import KeyPair
from kubemacpool.certs.rotation import Credentials

MakeServerContext = Callable[[KeyPair, bytes | None], ssl.SSLContext]
"""From the certificate to serve with, and the authorities of clients that are asked for one."""


class Identity:
    """The certificate of this replica, and the authorities that it trusts.

    Args:
        credentials: to begin with.
        make: builds the contexts of servers.
        client_ca: authority of clients that are not ours, PEM; empty for none.
        policy: what is spoken at least with other replicas.
    """

    def __init__(
        self,
        credentials: Credentials,
        make: MakeServerContext,
        client_ca: bytes = b"",
        policy: TlsPolicy = TlsPolicy(),  # noqa: B008 (nobody can change it)
    ) -> None:
        self._policy = policy
        self._make = make
        self._served_under = credentials.authorities.current
        self._use(credentials.serving, credentials.authorities, client_ca)
        self.webhook = self._make(self._serving, self._authorities.bundle)
        """For the webhook's listener: asks clients for a certificate."""
        self.webhook.sni_callback = lambda connection, *_: _exchange(connection, self._webhook)
        self.metrics = self._make(self._serving, None)
        """For the listener of the metrics: asks nobody."""
        self.metrics.sni_callback = lambda connection, *_: _exchange(connection, self._metrics)

    @property
    def peers(self) -> ssl.SSLContext:
        """For connections to other replicas, as of now."""
        return self._peers

    @property
    def serving(self) -> KeyPair:
        """What this replica proves itself by."""
        return self._serving

    @property
    def served_under(self) -> bytes:
        """The authority that has signed it."""
        return self._served_under

    @property
    def authorities(self) -> Authorities:
        """Ours, as of the last call."""
        return self._authorities

    @property
    def handshakes(self) -> ssl.SSLContext:
        """By which handshakes with the webhook go, as of now."""
        return self._webhook

    def trust(self, authorities: Authorities) -> None:
        """From now on these are ours; what this replica serves with stays as it is.

        Raises:
            ssl.SSLError: they cannot be used; those before stay.
        """
        if authorities != self._authorities:
            self._use(self._serving, authorities, self._client_ca)

    def admit_clients(self, client_ca: bytes) -> None:
        """From now on this is the authority of clients that are not ours.

        Raises:
            ssl.SSLError: it cannot be used; the one before stays.
        """
        self._make(self._serving, client_ca)  # by itself: beside ours, what holds nothing would go unnoticed
        self._use(self._serving, self._authorities, client_ca)

    def take_up(self, credentials: Credentials) -> None:
        """From now on this replica proves itself by these.

        Raises:
            ssl.SSLError: they cannot be used; those before stay.
        """
        self._use(credentials.serving, credentials.authorities, self._client_ca)
        self._served_under = credentials.authorities.current

    def _use(self, serving: KeyPair, authorities: Authorities, client_ca: bytes) -> None:
        """All of it, or nothing."""
        webhook = self._make(serving, authorities.bundle + client_ca)
        metrics = self._make(serving, None)
        pair = (serving.certificate_pem, serving.key_pem)
        peers = client_context(authorities.bundle, identity=pair, policy=self._policy)
        self._webhook, self._metrics, self._peers = webhook, metrics, peers
        self._serving, self._authorities, self._client_ca = serving, authorities, client_ca


def _exchange(connection: ssl.SSLSocket | ssl.SSLObject, context: ssl.SSLContext) -> None:
    connection.context = context


LOOK_SECONDS: Final = 1.0
"""Between two looks; one costs the reading of a small file. A kubelet takes a minute to bring another ConfigMap."""

_log = structlog.get_logger(__name__)


class ClientAuthority:
    """Has the handshake let through whoever the file says, as of now.

    Args:
        path: certificates, PEM.
        identity: whose handshakes.
    """

    def __init__(self, path: Path, identity: Identity) -> None:
        self._path = path
        self._identity = identity
        self._fault = ""
        self._observed_of = b""

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            fault = self.look()
            if fault and fault != self._fault:
                _log.warning("client authority not taken up; the one before stays", file=str(self._path), reason=fault)
            self._fault = fault

    def look(self) -> str:
        """Take up what the file holds, where that has changed; what cannot be used changes nothing, and is logged."""
        try:
            content = self._path.read_bytes()
            if content != self._observed_of:
                self._identity.admit_clients(content)
                _log.info("client authority taken up", file=str(self._path))
                self._observed_of = content
        except (ssl.SSLError, ValueError):
            return "it holds no certificates that can be read"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return ""
