"""TLS of the port for metrics: our certificate of the moment, and clients' by an authority of the administrator's.

A file with that authority is read again when it changes.
"""

import asyncio
import ssl
from collections.abc import Callable
from pathlib import Path
from typing import Final

import structlog

from kubemacpool.certs.identity import MakeServerContext
from kubemacpool.certs.issue import KeyPair

LOOK_SECONDS: Final = 1.0
"""Between two looks at the file; one costs the reading of a small file."""

_log = structlog.get_logger(__name__)


class ScrapersError(Exception):
    """The file cannot be used; the message says why."""


class ScraperTls:
    """Contexts for handshakes with whoever reads the metrics.

    Args:
        shown: what we prove ourselves by, as of now.
        make: builds the contexts of servers.
        path: the authority of those who have a certificate, PEM; None where nobody has.
    """

    def __init__(self, shown: Callable[[], KeyPair], make: MakeServerContext, path: Path | None) -> None:
        self._shown = shown
        self._make = make
        self._path = path
        self._authority: bytes | None = None
        self._made: tuple[KeyPair, bytes | None, ssl.SSLContext] | None = None
        self._fault = ""

    def look(self) -> None:
        """Take up what the file holds, where that has changed.

        Raises:
            ScrapersError: it cannot be used; what it held before counts.
        """
        if self._path is None:
            return
        try:
            content = self._path.read_bytes()
            if content != self._authority:
                self._make(self._shown(), content)
                self._authority = content
                _log.info("authority of scrapers taken up", file=str(self._path))
        except (ssl.SSLError, ValueError) as error:
            raise ScrapersError("it holds no certificates that can be read") from error
        except OSError as error:
            raise ScrapersError(f"it cannot be read: {error.strerror}") from error

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            try:
                self.look()
                self._fault = ""
            except ScrapersError as error:
                if str(error) != self._fault:
                    self._fault = str(error)
                    reason = self._fault
                    _log.warning("authority of scrapers not taken up; the one before stays", reason=reason)

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
