"""The authority of the API server's client certificate: a file that is read again when it changes."""

import asyncio
import ssl
from pathlib import Path
from typing import Final

import structlog

from kubemacpool.tls.identity import Identity

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
        self._seen = b""

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            fault = self.look()
            if fault and fault != self._fault:
                _log.warning("client authority not taken up; the one before stays", file=str(self._path), reason=fault)
            self._fault = fault

    def look(self) -> str:
        """Take up what the file holds, where that has changed; what cannot be used changes nothing, and is told."""
        try:
            content = self._path.read_bytes()
            if content != self._seen:
                self._identity.admit_clients(content)
                _log.info("client authority taken up", file=str(self._path))
                self._seen = content
        except (ssl.SSLError, ValueError):
            return "it holds no certificates that can be read"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return ""
