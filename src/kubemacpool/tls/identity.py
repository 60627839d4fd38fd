"""What this replica proves itself by and whom it trusts, exchanged while it serves.

A listener is given one context for its whole life. Its connections take another one at the beginning of their handshake
(where a server would choose by the name that it is asked for), so that what was exchanged holds for every new
connection, and what is trusted no more is not.
"""

import ssl
from collections.abc import Callable

from kubemacpool.tls.authorities import Authorities
from kubemacpool.tls.bootstrap import Credentials
from kubemacpool.tls.contexts import client_context
from kubemacpool.tls.issuing import KeyPair
from kubemacpool.tls.policy import TlsPolicy

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
        self._client_ca = client_ca
        self._serving = credentials.serving
        self._authorities = credentials.authorities
        self._served_under = credentials.authorities.current
        self._rebuild()
        self.webhook = self._make(self._serving, self._asked_for)
        """For the webhook's listener: asks clients for a certificate."""
        self.webhook.sni_callback = lambda connection, *_: _use(connection, self._webhook)
        self.metrics = self._make(self._serving, None)
        """For the listener of the metrics: asks nobody."""
        self.metrics.sni_callback = lambda connection, *_: _use(connection, self._metrics)

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
        """Ours, as they were told last."""
        return self._authorities

    @property
    def handshakes(self) -> ssl.SSLContext:
        """By which handshakes with the webhook go, as of now."""
        return self._webhook

    def trust(self, authorities: Authorities) -> None:
        """From now on these are ours; what this replica serves with stays as it is."""
        if authorities != self._authorities:
            self._authorities = authorities
            self._rebuild()

    def admit_clients(self, client_ca: bytes) -> None:
        """From now on this is the authority of clients that are not ours.

        Raises:
            ssl.SSLError: it cannot be used; the one before stays.
        """
        self._make(self._serving, client_ca)
        self._client_ca = client_ca
        self._rebuild()

    def take_up(self, credentials: Credentials) -> None:
        """From now on this replica proves itself by these."""
        self._serving = credentials.serving
        self._served_under = credentials.authorities.current
        self._authorities = credentials.authorities
        self._rebuild()

    @property
    def _asked_for(self) -> bytes:
        """The authorities of clients: replicas, which are ours, and whoever else may ask."""
        return self._authorities.bundle + self._client_ca

    def _rebuild(self) -> None:
        self._webhook = self._make(self._serving, self._asked_for)
        self._metrics = self._make(self._serving, None)
        identity = (self._serving.certificate_pem, self._serving.key_pem)
        self._peers = client_context(self._authorities.bundle, identity=identity, policy=self._policy)


def _use(connection: ssl.SSLSocket | ssl.SSLObject, context: ssl.SSLContext) -> None:
    connection.context = context
