"""TLS of the port for metrics: our certificate of the moment, and clients' by an authority of the administrator's."""

import ssl
from collections.abc import Callable

from kubemacpool.certs.identity import MakeServerContext
from kubemacpool.certs.issue import KeyPair


class ScraperTls:
    """Contexts for handshakes with whoever reads the metrics.

    Args:
        shown: what we prove ourselves by, as of now.
        make: builds the contexts of servers.
    """

    def __init__(self, shown: Callable[[], KeyPair], make: MakeServerContext) -> None:
        self._shown = shown
        self._make = make
        self._authority: bytes | None = None
        self._made: tuple[KeyPair, bytes | None, ssl.SSLContext] | None = None

    def admit_clients(self, authority: bytes) -> None:
        """From now on this is the authority of clients who have a certificate; to begin with nobody is asked for one.

        Raises:
            ssl.SSLError: it cannot be used; the one before stays. ValueError likewise.
        """
        self._make(self._shown(), authority)
        self._authority = authority

    def listener(self) -> ssl.SSLContext:
        """For the listener; each handshake goes by the context of its moment."""
        context = self._make(self._shown(), self._authority)
        context.sni_callback = lambda connection, *_: setattr(connection, "context", self.current())
        return context

    def current(self) -> ssl.SSLContext:
        """By which handshakes go now."""
        shown = self._shown()
        if self._made is None or self._made[:2] != (shown, self._authority):
            self._made = (shown, self._authority, self._make(shown, self._authority))
        return self._made[2]
