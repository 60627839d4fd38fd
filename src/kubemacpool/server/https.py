"""An HTTPS server with bounds on everything: connections, handshakes, heads, bodies and time."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import cast

import structlog

from kubemacpool.server import limits
from kubemacpool.server.connections import Connection, Handler
from kubemacpool.server.crowd import Crowd
from kubemacpool.server.entrance import Entrance
from kubemacpool.server.messages import RefusedError, Request, Response, text, unavailable

Route = tuple[str, str]
"""Method and path."""

_log = structlog.get_logger(__name__)


class Server:
    """Serves fixed routes until it is drained.

    Args:
        routes: what answers where.
        tls: how we prove who we are; None for HTTP without TLS.
        most_connections: how many there may be at once.
        backlog: how many may wait to be accepted; they are accepted in one go before anybody has to go for them.
    """

    def __init__(
        self,
        routes: Mapping[Route, Handler],
        tls: ssl.SSLContext | None,
        most_connections: int = limits.MAX_CONNECTIONS,
        backlog: int = limits.BACKLOG,
    ) -> None:
        self._routes = routes
        self._paths = {path for _, path in routes}
        self._tls = tls
        self._backlog = backlog
        self._draining = False
        self._crowd = Crowd(most_connections, asyncio.get_running_loop().time)
        self._listener: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[Response]] = set()

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which is a free one where 0 was asked for.

        Raises:
            OSError: when the address cannot be used; its text names host and port.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                lambda: Entrance(self._crowd, self._tls, lambda: Connection(self._handle, self._tasks, loop)),
                host,
                port,
                backlog=self._backlog,
            )
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
        for sock in self._listener.sockets:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, limits.RECEIVE_BUFFER)
        return cast("int", self._listener.sockets[0].getsockname()[1])

    async def sweep(self) -> None:
        """Close connections on which nothing was asked, or nothing is read, in time; goes on until cancelled."""
        while True:
            await asyncio.sleep(limits.SWEEP_SECONDS)
            self._look()

    def _look(self) -> None:
        """Look once; the last one that was looked at is not kept until the next time."""
        for guest in self._crowd:
            guest.close_if_overdue()
        self._crowd.tell()

    def begin_draining(self) -> None:
        """From now on every response closes its connection, so that clients go elsewhere with the next request."""
        self._draining = True

    async def drain(self, seconds: float) -> None:
        """Take no new connections, let what is in flight finish within this time, and close everything."""
        self.begin_draining()
        if self._listener is not None:
            self._listener.close()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self._crowd:
                    for guest in self._crowd:
                        guest.close_if_idle()
                    await asyncio.sleep(limits.DRAIN_PACE_SECONDS)
        for task in self._tasks:
            task.cancel()
        for guest in self._crowd:
            guest.leave()

    async def _handle(self, request: Request) -> Response:
        try:
            response = await self._route(request)
        except RefusedError as error:
            response = text(error.status, error.message, close=True)
        except ConnectionError as error:
            response = text(400, f"the body is not what its head promised: {error}", close=True)
        except Exception:  # noqa: BLE001 (whatever fault of ours it is: it must never look like an answer, promise 7)
            _log.exception("request failed", method=request.method, path=request.path)
            response = unavailable("kubemacpool: internal error; see the log of this replica")
        if self._draining:
            response.close = True
        return response

    async def _route(self, request: Request) -> Response:
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return await handler(request)
        if request.path not in self._paths:
            return text(404, f"nothing is served at {request.path}; there are {', '.join(sorted(self._paths))}")
        allowed = ", ".join(sorted(method for method, path in self._routes if path == request.path))
        return text(405, f"{request.path} takes {allowed}, not {request.method}", {"Allow": allowed})
