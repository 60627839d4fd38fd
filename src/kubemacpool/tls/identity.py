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
        """Ours, as they were told last."""
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
