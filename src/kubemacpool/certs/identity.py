"""What this replica proves itself by, and whom it trusts, exchanged while its listeners go on."""

import ssl
from collections.abc import Callable
from dataclasses import replace

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
        replica_name: by which replicas ask for each other; whoever asks so is shown our own in any case.
    """

    def __init__(
        self,
        credentials: Credentials,
        make: MakeServerContext,
        client_ca: bytes = b"",
        policy: TlsPolicy = TlsPolicy(),  # noqa: B008 (nobody can change it)
        *,
        replica_name: str = "",
    ) -> None:
        self._policy = policy
        self._make = make
        self._replica_name = replica_name
        self._credentials = credentials
        self._use(credentials, client_ca, None)
        self.webhook = self._make(credentials.serving, credentials.authorities.bundle)
        """For the webhook's listener: asks clients for a certificate."""
        self.webhook.sni_callback = lambda connection, name, _: _exchange(connection, self._asked_by(name))

    @property
    def peers(self) -> ssl.SSLContext:
        """For connections to other replicas, as of now."""
        return self._peers

    @property
    def credentials(self) -> Credentials:
        """What this replica proves itself by to others, which authority has signed that, and whom it trusts."""
        return self._credentials

    @property
    def presented(self) -> KeyPair | None:
        """What is shown to everybody but other replicas, where that is not our own."""
        return self._presented

    @property
    def shown(self) -> KeyPair:
        """What is shown to the API server."""
        return self._credentials.serving if self._presented is None else self._presented

    @property
    def authorities(self) -> Authorities:
        """Ours, as of the last call."""
        return self._credentials.authorities

    @property
    def handshake(self) -> ssl.SSLContext:
        """By which the API server's handshakes with the webhook go, as of now."""
        return self._webhook

    @property
    def handshakes(self) -> tuple[ssl.SSLContext, ...]:
        """By which handshakes with the webhook go, as of now."""
        return (self._webhook, self._among_replicas)

    def trust(self, authorities: Authorities) -> None:
        """From now on these are ours; what this replica serves with stays as it is.

        Raises:
            ssl.SSLError: they cannot be used; those before stay.
        """
        if authorities != self._credentials.authorities:
            self._use(replace(self._credentials, authorities=authorities), self._client_ca, self._presented)

    def admit_clients(self, client_ca: bytes) -> None:
        """From now on this is the authority of clients that are not ours.

        Raises:
            ssl.SSLError: it cannot be used; the one before stays.
        """
        self._make(self._credentials.serving, client_ca)  # beside ours, what holds nothing would go unnoticed
        self._use(self._credentials, client_ca, self._presented)

    def take_up(self, credentials: Credentials) -> None:
        """From now on this replica proves itself by these.

        Raises:
            ssl.SSLError: they cannot be used; those before stay.
        """
        self._use(credentials, self._client_ca, self._presented)

    def present(self, pair: KeyPair) -> None:
        """From now on this is shown to everybody but other replicas.

        Raises:
            ssl.SSLError: it cannot be used; what was shown before still is.
        """
        self._use(self._credentials, self._client_ca, pair)

    def _use(self, credentials: Credentials, client_ca: bytes, presented: KeyPair | None) -> None:
        """All of it, or nothing."""
        serving, trusted = credentials.serving, credentials.authorities.bundle
        among_replicas = self._make(serving, trusted + client_ca)
        webhook = among_replicas if presented is None else self._make(presented, trusted + client_ca)
        pair = (serving.certificate_pem, serving.key_pem)
        peers = client_context(trusted, identity=pair, policy=self._policy)
        self._among_replicas, self._webhook, self._peers = among_replicas, webhook, peers
        self._credentials, self._client_ca, self._presented = credentials, client_ca, presented

    def _asked_by(self, name: str | None) -> ssl.SSLContext:
        return self._among_replicas if name is not None and name == self._replica_name else self._webhook


def _exchange(connection: ssl.SSLSocket | ssl.SSLObject, context: ssl.SSLContext) -> None:
    connection.context = context
