"""One client's connection, with bounds on what it may do and for how long; and the set of those that are open."""

import asyncio
from collections.abc import Iterator
from typing import cast

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from kubemacpool.web import limits
from kubemacpool.web.answers import text, unavailable

_BAD_REQUEST = 400
_LONGEST_ECHO = 300
"""Characters; the message quotes the client's own bytes, of which there may be many."""

_log = structlog.get_logger(__name__)


class Connections:
    """Those that are open, their handshake done."""

    def __init__(self) -> None:
        self._open: set[Connection] = set()

    def admit(self, connection: "Connection") -> bool:
        """Count one more, unless there are as many as there may be."""
        if len(self._open) >= limits.MAX_CONNECTIONS:
            _log.warning("connection refused: too many are open", limit=limits.MAX_CONNECTIONS)
            return False
        self._open.add(connection)
        return True

    def lost(self, connection: "Connection") -> None:
        """One is closed."""
        self._open.discard(connection)

    def __len__(self) -> int:
        return len(self._open)

    def __iter__(self) -> Iterator["Connection"]:
        return iter(tuple(self._open))


class Connection(RequestHandler):
    """One client's connection."""

    def __init__(self, manager: web.Server, connections: Connections, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp itself turns it off
            keepalive_timeout=limits.KEEP_ALIVE_SECONDS,
            lingering_time=limits.LINGER_SECONDS,
            max_line_size=limits.MAX_LINE,
            max_field_size=limits.MAX_LINE,
            max_headers=limits.MAX_HEADERS,
            auto_decompress=False,
        )
        self.asked = False
        """Whether it has ever carried a complete request head."""
        self._open_connections = connections
        self._clock = loop.time
        self._made_at = self._clock()
        self._unread_since: float | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """The handshake is done; go on if there is room."""
        if self._open_connections.admit(self):
            self._made_at = self._clock()
            super().connection_made(transport)
        else:
            cast("asyncio.Transport", transport).abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed, by whichever side."""
        self._open_connections.lost(self)
        super().connection_lost(exc)

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        self._unread_since = self._clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._unread_since = None
        super().resume_writing()

    def close_if_overdue(self) -> None:
        """Close it when nothing was asked in time, or an answer is not being read."""
        now = self._clock()
        unread = self._unread_since is not None and now - self._unread_since > limits.UNREAD_SECONDS
        unasked = not self.asked and now - self._made_at > limits.FIRST_REQUEST_SECONDS
        if unread or unasked:
            self.force_close()

    def close_if_idle(self) -> None:
        """Close it if nothing is being asked, nor about to be; a request whose body is still arriving goes on."""
        fresh = not self.asked and self._clock() - self._made_at < limits.FRESH_SECONDS
        if not (self._request_in_progress or self._messages or fresh):
            self.force_close()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the protocol itself could not deal with: not HTTP (400), or a fault of ours.

        A fault of ours is never a 500: the API server would take that for an answer (promise 7).

        Raises:
            ConnectionError: when an answer is under way already.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        if status == _BAD_REQUEST:
            _log.info("not an HTTP request", client=request.remote, error=type(exc).__name__)
            response = text(400, f"not an HTTP request: {message}"[:_LONGEST_ECHO])
        else:
            _log.error("request failed outside its handler", client=request.remote, exc_info=exc)
            response = unavailable("kubemacpool: internal error; see the log of this replica")
        response.force_close()
        return response
