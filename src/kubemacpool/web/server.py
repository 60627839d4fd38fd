"""An HTTPS server with bounds on everything: connections, handshakes, heads, bodies and time."""

import asyncio
import contextlib
import ssl
from collections.abc import Awaitable, Callable, Mapping
from typing import cast

import structlog
from aiohttp import web
from aiohttp.abc import AbstractStreamWriter
from aiohttp.http_parser import RawRequestMessage
from aiohttp.streams import StreamReader
from aiohttp.web_protocol import RequestHandler

from kubemacpool.web import limits

Handler = Callable[[web.BaseRequest], Awaitable[web.Response]]
Route = tuple[str, str]
"""Method and path."""

_log = structlog.get_logger(__name__)


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response in words."""
    return web.Response(status=status, text=message + "\n", headers=headers)


def unavailable(message: str) -> web.Response:
    """Not now; the client may ask again in a second."""
    return text(503, message, {"Retry-After": "1"})


async def read_body(request: web.BaseRequest) -> bytes:
    """The request's body, within the bounds of size and time.

    Raises:
        web.HTTPRequestEntityTooLarge: past `limits.MAX_BODY`.
        web.HTTPRequestTimeout: past `limits.BODY_SECONDS`.
    """
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {limits.BODY_SECONDS:.0f} s\n") from None


class Server:
    """Serves fixed routes over TLS until it is drained."""

    def __init__(self, routes: Mapping[Route, Handler], tls: ssl.SSLContext) -> None:
        self._routes = routes
        self._paths = {path for _, path in routes}
        self._tls = tls
        self._draining = False
        self._in_flight = 0
        self._idle = asyncio.Event()
        self._idle.set()
        self._first_requests: dict[RequestHandler, float] = {}
        self._asked: set[RequestHandler] = set()
        self._listener: asyncio.Server | None = None
        self._http = web.Server(
            self._handle,
            request_factory=_request,
            access_log=None,
            keepalive_timeout=limits.KEEP_ALIVE_SECONDS,
            max_line_size=limits.MAX_LINE,
            max_field_size=limits.MAX_LINE,
            auto_decompress=False,
        )

    async def start(self, host: str, port: int) -> int:
        """Listen; returns the port, which is a free one where 0 was asked for.

        Raises:
            OSError: when the address cannot be used; its text names host and port.
        """
        loop = asyncio.get_running_loop()
        try:
            self._listener = await loop.create_server(
                self._connection,
                host,
                port,
                ssl=self._tls,
                ssl_handshake_timeout=limits.HANDSHAKE_SECONDS,
                backlog=1024,
            )
        except OSError as error:
            raise OSError(error.errno, f"cannot listen on {host}:{port}: {error.strerror}") from error
        return cast("int", self._listener.sockets[0].getsockname()[1])

    async def sweep(self) -> None:
        """Close connections on which nothing was asked in time; goes on until cancelled."""
        loop = asyncio.get_running_loop()
        while True:
            await asyncio.sleep(limits.SWEEP_SECONDS)
            now = loop.time()
            open_now = set(self._http.connections)
            self._asked &= open_now
            self._first_requests = {
                connection: self._first_requests.get(connection, now) for connection in open_now - self._asked
            }
            for connection, since in list(self._first_requests.items()):
                if now - since > limits.FIRST_REQUEST_SECONDS:
                    connection.force_close()
                    del self._first_requests[connection]

    def begin_draining(self) -> None:
        """From now on every response closes its connection, so that clients go elsewhere with the next request."""
        self._draining = True

    async def drain(self, seconds: float) -> None:
        """Take no new connections, let what is in flight finish within this time, and close everything."""
        self.begin_draining()
        if self._listener is not None:
            self._listener.close()
        self._http.pre_shutdown()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        await self._http.shutdown(timeout=1.0)

    def _connection(self) -> asyncio.Protocol:
        if len(self._http.connections) >= limits.MAX_CONNECTIONS:
            _log.warning("connection refused: too many are open", limit=limits.MAX_CONNECTIONS)
            return _Refusal()
        return self._http()

    async def _handle(self, request: web.BaseRequest) -> web.StreamResponse:
        self._asked.add(request.protocol)
        self._in_flight += 1
        self._idle.clear()
        try:
            response = await self._route(request)
        except web.HTTPException as error:
            response = text(error.status, (error.text or error.reason).strip())
            response.force_close()
        except Exception:  # noqa: BLE001 (whatever fault of ours it is: it must never look like an answer, promise 7)
            _log.exception("request failed", method=request.method, path=request.path)
            response = unavailable("kubemacpool: internal error; see the log of this replica")
        finally:
            self._in_flight -= 1
            if not self._in_flight:
                self._idle.set()
        if self._draining:
            response.force_close()
        return response

    async def _route(self, request: web.BaseRequest) -> web.Response:
        handler = self._routes.get((request.method, request.path))
        if handler is not None:
            return await handler(request)
        if request.path not in self._paths:
            return text(404, f"nothing is served at {request.path}; there are {', '.join(sorted(self._paths))}")
        allowed = ", ".join(sorted(method for method, path in self._routes if path == request.path))
        return text(405, f"{request.path} takes {allowed}, not {request.method}", {"Allow": allowed})


class _Refusal(asyncio.Protocol):
    """Closes the connection as soon as it is made."""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        cast("asyncio.Transport", transport).abort()


def _request(
    message: RawRequestMessage,
    payload: StreamReader,
    protocol: RequestHandler,
    writer: AbstractStreamWriter,
    task: asyncio.Task[None],
) -> web.BaseRequest:
    loop = asyncio.get_running_loop()
    return web.BaseRequest(message, payload, protocol, writer, task, loop, client_max_size=limits.MAX_BODY)
