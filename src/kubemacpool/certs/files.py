"""Certificates that are given as files: read again when they change, and what cannot be used changes nothing."""

import asyncio
import ssl
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Final

import structlog

from kubemacpool.certs.authority import certificates_in
from kubemacpool.certs.identity import Identity
from kubemacpool.certs.issue import KeyPair

LOOK_SECONDS: Final = 1.0
"""Between two looks; one costs the reading of a small file. A kubelet takes a minute to bring another ConfigMap."""

_log = structlog.get_logger(__name__)


class AuthorityFile:
    """Has clients be let through whom the file says, as of now.

    Args:
        what: whose authority it is, as the log calls it; kept as an attribute.
        path: certificates, PEM.
        take_up: makes handshakes go by these; raises `ssl.SSLError` or `ValueError` for what cannot be used.
    """

    def __init__(self, what: str, path: Path, take_up: Callable[[bytes], None]) -> None:
        self.what = what
        self._path = path
        self._take_up = take_up
        self._fault = ""
        self._observed_of: bytes | None = None

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            fault = self.look()
            if fault and fault != self._fault:
                message = f"{self.what} not taken up; the one before stays"
                _log.warning(message, file=str(self._path), reason=fault)
            self._fault = fault

    def look(self) -> str:
        """Take up what the file holds, where that has changed; what cannot be used changes nothing, and is told."""
        try:
            content = self._path.read_bytes()
            if content != self._observed_of:
                self._take_up(content)
                _log.info(f"{self.what} taken up", file=str(self._path))
                self._observed_of = content
        except (ssl.SSLError, ValueError):
            return "it holds no certificates that can be read"
        except OSError as error:
            return f"it cannot be read: {error.strerror}"
        return ""


class ServingFiles:
    """Has everybody but other replicas be shown the certificate that the files hold, as of now.

    Args:
        certificate: the file with it, and with those between it and its authority, PEM.
        key: the file with its key, PEM.
        identity: what is shown.
        time_of_day: now, aware.

    Attributes:
        fault: why what the files hold is not shown; empty where it is.
        changed: called when that, or what is shown, has changed.
    """

    def __init__(self, certificate: Path, key: Path, identity: Identity, time_of_day: Callable[[], datetime]) -> None:
        self.fault = ""
        self.changed: Callable[[], None] = lambda: None
        self._certificate = certificate
        self._key = key
        self._identity = identity
        self._time_of_day = time_of_day

    async def run(self) -> None:
        """Look again and again; goes on until cancelled."""
        while True:
            await asyncio.sleep(LOOK_SECONDS)
            self.look()

    def look(self) -> None:
        """Show what the files hold, where that has changed; what cannot be used changes nothing, and is logged once."""
        fault = self._take_up()
        if fault and fault != self.fault:
            _log.warning("the certificate that is given is not taken up", reason=fault)
        if fault != self.fault:
            self.fault = fault
            self.changed()

    def _take_up(self) -> str:
        try:
            pair = KeyPair(self._certificate.read_bytes(), self._key.read_bytes())
        except OSError as error:
            return f"{error.filename} cannot be read: {error.strerror}"
        presented = self._identity.presented
        if pair == presented:
            return ""
        found = certificates_in(pair.certificate_pem)
        if not found:
            return f"{self._certificate} holds no certificate that can be read"
        end = found[0].not_valid_after_utc
        if presented is not None and end <= self._time_of_day():
            return f"{self._certificate} expired on {end:%Y-%m-%d %H:%M:%S} UTC"
        try:
            self._identity.present(pair)
        except (ssl.SSLError, ValueError):  # between the writing of the one and of the other, among else
            return f"{self._certificate} and {self._key} do not belong together, or cannot be used"
        _log.info("the certificate that is given is served", file=str(self._certificate), until=end.isoformat())
        self.changed()
        return ""
