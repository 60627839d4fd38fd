"""The bearer token by which the API server knows us.

A bound service account token lives for about an hour and the kubelet replaces its file well before, so a file is read
anew at least once a minute, and at once when the API server no longer accepts what was in it.
"""

from pathlib import Path
from typing import Protocol

import structlog

from kubemacpool.ports import Clock

_log = structlog.get_logger(__name__)

# client-go reads token files anew after a minute; the kubelet replaces them when a fifth of their life (at least ten
# minutes, so two of them) is left. A minute is well inside that.
TOKEN_FILE_SECONDS = 60.0


class TokenSource(Protocol):
    """Where the bearer token comes from."""

    def token(self) -> str:
        """The token to send now; empty where none is to be sent."""
        ...

    def rejected(self) -> None:
        """The API server did not accept the token that was sent last."""
        ...


class FixedToken:
    """A token that stands in the configuration, or none at all."""

    def __init__(self, token: str = "") -> None:
        self._token = token

    def token(self) -> str:
        """The token as it was given."""
        return self._token

    def rejected(self) -> None:
        """Nothing else to offer."""


class TokenFile:
    """A token in a file that somebody else keeps fresh."""

    def __init__(self, path: Path, clock: Clock) -> None:
        self._path = path
        self._clock = clock
        self._token = ""
        self._read_at: float | None = None

    def token(self) -> str:
        """What the file held less than a minute ago. While the file cannot be read, the token known last is kept."""
        now = self._clock.now()
        if self._read_at is None or now - self._read_at >= TOKEN_FILE_SECONDS:
            self._read_at = now
            try:
                self._token = self._path.read_text("utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                _log.warning("the token file cannot be read", path=str(self._path), error=type(error).__name__)
        return self._token

    def rejected(self) -> None:
        """Makes the next request read the file anew."""
        self._read_at = None
