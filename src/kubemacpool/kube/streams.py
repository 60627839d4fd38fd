"""A GET whose answer goes on, over a connection of its own: what comes is told in the turn of the loop it came in.

A watch on a busy cluster is thousands of small pieces, one TLS record each. A general client's way from the socket to
whoever iterates costs more for each of them than reading the event; here llhttp cuts what a read has brought, and the
reader is called with it: no task is woken.
"""

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final, NamedTuple, cast

import httptools

from kubemacpool.kube.transport import (
    CONNECT_SECONDS,
    LARGEST_FAILURE_BYTES,
    LARGEST_HEAD_BYTES,
    SOCKET_CONNECT_SECONDS,
    StreamSilentError,
)
from kubemacpool.ports import ClusterUnavailableError

_NO_PARSER: Final = httptools.HttpResponseParser(object())
"""In the place of the parser of a stream that is over; nothing is given to it."""

_FRAMES: Final = {"transfer-encoding", "content-length"}
"""By one of these an answer tells where it ends; without them it ends with the connection."""


class Server(NamedTuple):
    """Where to connect to.

    Attributes:
        host: a name or an address.
        port: a number.
        tls: how to trust it, and how to prove who we are; None for a server without TLS.
        name: what its certificate has to be for, where that is not the host.
    """

    host: str
    port: int
    tls: ssl.SSLContext | None
    name: str | None = None


class Patience(NamedTuple):
    """How long a stream is borne with, in seconds.

    Attributes:
        idle: silence.
        total: altogether.
    """

    idle: float
    total: float


class Refusal(NamedTuple):
    """An answer that is no success.

    Attributes:
        status: of the answer.
        retry_after: the header of that name.
        body: of the answer, as much as is worth reading.
    """

    status: int
    retry_after: str | None
    body: bytes


async def read_stream(
    what: str,
    server: Server,
    target: str,
    headers: Mapping[str, str],
    hear: Callable[[bytes], None],
    patience: Patience,
) -> Refusal | None:
    """Ask, and tell of the answer's body as it comes, until its end; what `hear` raises ends it.

    Args:
        what: is asked for, for people.
        server: of whom.
        target: path and query.
        headers: to be sent.
        hear: told of each piece; it is called inside the reading of the socket.
        patience: how long.

    Raises:
        StreamSilentError: nothing came for too long.
        ClusterUnavailableError: there is no answer, or it broke off.
    """
    lines = [f"GET {target} HTTP/1.1", *(f"{name}: {value}" for name, value in headers.items())]
    if any(character in line for line in lines for character in "\r\n\0"):
        raise ValueError(f"{what}: a header of the request has a line break")
    request = "".join(f"{line}\r\n" for line in [*lines, ""]).encode()
    try:
        stream = await _connect(lambda: _Stream(what, request, hear, patience), server)
    except OSError as error:
        raise broken(what, error) from error
    try:
        return await stream.ended
    finally:
        stream.abort()
        del stream  # what is raised refers to this frame


def broken(what: str, error: Exception) -> ClusterUnavailableError:
    """The error for an exchange that did not come to an end."""
    if isinstance(error, TimeoutError):
        return ClusterUnavailableError(f"{what}: no answer in time")
    return ClusterUnavailableError(f"{what}: {str(error) or type(error).__name__}")


async def _connect(make: "Callable[[], _Stream]", server: Server) -> "_Stream":
    """Connect to one of the server's addresses; only the last one gets all the time that is left.

    Raises:
        OSError: there is none that answers.
    """
    loop = asyncio.get_running_loop()
    name = (server.name or server.host) if server.tls is not None else None

    async def connect(host: str) -> _Stream:
        stream = make()
        try:
            await loop.create_connection(lambda: stream, host, server.port, ssl=server.tls, server_hostname=name)
        except BaseException:
            stream.abort()
            raise
        return stream

    async with asyncio.timeout(CONNECT_SECONDS):
        found = await loop.getaddrinfo(server.host, server.port, type=socket.SOCK_STREAM)
        *others, last = dict.fromkeys(str(address[0]) for *_, address in found)
        for host in others:
            try:
                async with asyncio.timeout(SOCKET_CONNECT_SECONDS):
                    return await connect(host)
            except OSError:
                continue
        return await connect(last)


class _Stream(asyncio.Protocol):
    """One request and its answer.

    Attributes:
        ended: done when the answer is at its end, or will not come to it.
    """

    def __init__(self, what: str, request: bytes, hear: Callable[[bytes], None], patience: Patience) -> None:
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[Refusal | None] = loop.create_future()
        self._loop = loop
        self._what = what
        self._request = request
        self._hear = hear
        self._patience = patience
        self._transport: asyncio.Transport | None = None
        self._heard_at = loop.time()
        self._end_at = self._heard_at + patience.total
        self._timer = loop.call_at(min(self._heard_at + patience.idle, self._end_at), self._look_at_time)
        self._status = 0
        self._headers: dict[str, str] = {}
        self._head_bytes = 0
        self._refusal = bytearray()
        self._complete = False
        self._pieces: list[bytes] = []
        self.on_body = self._pieces.append
        self._parser = httptools.HttpResponseParser(self)

    def abort(self) -> None:
        """Nobody waits for the rest: a polite end of TLS would keep a dead connection for half a minute.

        Whoever refers back to this goes, what it ended with among them, so that it is freed now: TLS has 256 KiB for a
        connection, all watches break at once where an API server goes away, and the collector of cycles looks seldom at
        what is older than a second.
        """
        self._timer.cancel()
        self.ended.cancel()
        self.ended = self._loop.create_future()
        self.ended.cancel()
        self._parser = _NO_PARSER
        if self._transport is not None:
            self._transport.abort()

    # What the event loop calls

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.write(self._request)

    def data_received(self, data: bytes) -> None:
        """Tell of what came."""
        if self.ended.done():
            return
        self._heard_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._fail(ClusterUnavailableError(f"{self._what}: the answer is not HTTP ({error})"))
            return
        if self._status == HTTPStatus.OK:
            self._tell()
        else:
            self._refuse(len(data))
        if self._complete:
            self._end()

    def connection_lost(self, exc: Exception | None) -> None:
        """The connection is gone, and with it the answer, unless it ends just so."""
        self._timer.cancel()
        self._transport = None
        if exc is None and self._status and not _FRAMES & self._headers.keys():
            self._end()
        else:
            self._fail(broken(self._what, exc or ConnectionResetError("the connection was closed before the end")))

    # What the parser calls

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header of the answer, or of one that announces it."""
        self._headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        """The head is there, or that of an answer which announces another one (RFC 9110, 15.2)."""
        status = self._parser.get_status_code()
        if status >= HTTPStatus.OK:
            self._status = status
        else:
            self._headers.clear()

    def on_message_complete(self) -> None:
        """The answer is at its end."""
        self._complete = bool(self._status)

    def _tell(self) -> None:
        try:
            for piece in self._pieces:
                self._hear(piece)
        except Exception as error:  # noqa: BLE001 - whatever it is: it is for whoever awaits the end
            self._fail(error)
        self._pieces.clear()

    def _refuse(self, size: int) -> None:
        """Keep an answer that is no success, as far as it is worth reading."""
        for piece in self._pieces:
            self._refusal += piece
        self._pieces.clear()
        if len(self._refusal) > LARGEST_FAILURE_BYTES:
            self._complete = True
        if not self._status:
            self._head_bytes += size
            if self._head_bytes > LARGEST_HEAD_BYTES:
                self._fail(ClusterUnavailableError(f"{self._what}: the head of the answer is too large"))

    def _look_at_time(self) -> None:
        now = self._loop.time()
        silent_at = self._heard_at + self._patience.idle
        if now >= self._end_at:
            self._fail(broken(self._what, TimeoutError()))
        elif now >= silent_at:
            self._fail(StreamSilentError(f"{self._what}: the API server fell silent"))
        else:
            self._timer = self._loop.call_at(min(silent_at, self._end_at), self._look_at_time)

    def _end(self) -> None:
        if self.ended.done():
            return
        body = bytes(self._refusal[:LARGEST_FAILURE_BYTES])
        accepted = self._status == HTTPStatus.OK
        refusal = None if accepted else Refusal(self._status, self._headers.get("retry-after"), body)
        self.ended.set_result(refusal)

    def _fail(self, error: Exception) -> None:
        if not self.ended.done():
            self.ended.set_exception(error)
