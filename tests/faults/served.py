"""A served webhook and raw clients of it: bytes in, bytes out, no HTTP library in between."""

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import NamedTuple

from kubemacpool.server.https import Server
from kubemacpool.wire.review import Answer

NAME = "kubemacpool-service.kubemacpool-system.svc"
HERE = "127.0.0.1"
ELSEWHERE = "127.0.0.2"
"""Where clients come from: those that a test is about, and those that must not suffer."""

Answering = Callable[[bytes], Awaitable[Answer]]
PATIENCE = 5.0
"""Seconds: far more than any bound in these tests; reached only when a bound does not hold."""


class Reply(NamedTuple):
    """One HTTP response."""

    status: int
    headers: dict[str, str]
    body: bytes
    version: str


class Client:
    """One connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def send(self, data: bytes) -> None:
        """Write bytes as they are; a server that has closed already is no failure of the test."""
        self.writer.write(data)
        with contextlib.suppress(ConnectionError):
            await self.writer.drain()

    async def reply(self, *, bodiless: bool = False) -> Reply | None:
        """The next response, or None when the server closed instead."""
        async with asyncio.timeout(PATIENCE):
            try:
                head = await self.reader.readuntil(b"\r\n\r\n")
            except (asyncio.IncompleteReadError, ConnectionError):
                return None
            version, status, _ = head.decode("latin-1").split(" ", 2)
            lines = head.decode("latin-1").split("\r\n")[1:-2]
            headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in lines)}
            body = await self.reader.readexactly(0 if bodiless else int(headers.get("content-length", "0")))
        return Reply(int(status), headers, body, version)

    async def ask(self, data: bytes) -> Reply | None:
        """Send a request and read its response."""
        await self.send(data)
        return await self.reply()

    async def closed(self) -> bytes:
        """What the server sends until it closes; fails when it does not close."""
        async with asyncio.timeout(PATIENCE):
            try:
                return await self.reader.read()
            except ConnectionError:
                return b""

    def close(self) -> None:
        """Let go at once."""
        self.writer.transport.abort()


async def allow(_: bytes) -> Answer:
    """A webhook that only says yes."""
    return Answer(200, b"{}")


class Scene:
    """A running server and its clients."""

    server: Server
    port: int

    def __init__(self, trust: ssl.SSLContext) -> None:
        self.trust = trust
        self.complaints: list[dict[str, object]] = []
        """What the event loop was told of exceptions that nobody caught."""
        self.answer: Answering = allow
        self._clients: list[Client] = []

    async def connect(self, sock: socket.socket | None = None, *, source: str = HERE) -> Client:
        """A client whose TLS handshake is done, on a socket of its own or one that is connected already."""
        if sock is not None:
            return self._keep(*await asyncio.open_connection(sock=sock, ssl=self.trust, server_hostname=NAME))
        here = (source, 0)
        return self._keep(
            *await asyncio.open_connection(
                "127.0.0.1", self.port, ssl=self.trust, server_hostname=NAME, local_addr=here
            )
        )

    async def connect_plain(self, *, source: str = HERE) -> Client:
        """A client that has not begun with TLS."""
        return self._keep(*await asyncio.open_connection("127.0.0.1", self.port, local_addr=(source, 0)))

    async def ask(self, data: bytes, *, source: str = HERE) -> Reply | None:
        """Ask on a connection of its own."""
        client = await self.connect(source=source)
        return await client.ask(data)

    async def works(self) -> bool:
        """Whether another client, at another address, is served properly."""
        reply = await self.ask(review(b"{}"), source=ELSEWHERE)
        return reply is not None and reply.status == 200

    async def until_open(self, number: int) -> None:
        """Wait until the server has so many connections; fails when it does not come to that."""
        async with asyncio.timeout(PATIENCE):
            while self.open_connections != number:  # noqa: ASYNC110 (the server has no event to tell a test)
                await asyncio.sleep(0.01)

    @property
    def open_connections(self) -> int:
        """How many connections the server has."""
        return len(self.server._crowd)

    def close_clients(self) -> None:
        """Let go of every connection."""
        for client in self._clients:
            client.close()

    def _keep(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> Client:
        client = Client(reader, writer)
        self._clients.append(client)
        return client


def review(body: bytes, *extra: bytes, length: int | None = None) -> bytes:
    """A review as the API server posts it, with more headers where given."""
    head = [
        b"POST /mutate-pods?timeout=10s HTTP/1.1",
        b"Host: kubemacpool-service.kubemacpool-system.svc:443",
        b"Content-Type: application/json",
        b"Content-Length: %d" % (len(body) if length is None else length),
        *extra,
    ]
    return b"\r\n".join(head) + b"\r\n\r\n" + body


def get(path: bytes, *extra: bytes, method: bytes = b"GET", version: bytes = b"HTTP/1.1") -> bytes:
    """A request without a body."""
    return b"\r\n".join([method + b" " + path + b" " + version, b"Host: localhost", *extra]) + b"\r\n\r\n"
