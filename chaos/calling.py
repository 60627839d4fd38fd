"""What anybody on the network can do to a replica directly: bounded in number, from an address of its own."""

from __future__ import annotations

import asyncio
import contextlib
import ssl
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Sequence

FORWARDED = b"Kubemacpool-Forwarded: 1\r\n"
ANSWER_SECONDS = 5.0
# So that the tenant has at most so many open, all together.
MOST_CONNECTIONS = 200
MEGABYTE = 1 << 20


class Caller:
    """Connections to the webhook ports.

    Args:
        source: the address from which they are made: the API server and the Service have others.
    """

    def __init__(self, source: str) -> None:
        self._source = source
        self._room = asyncio.Semaphore(MOST_CONNECTIONS)
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE

    async def ask(self, url: str, body: bytes, *, forwarded: bool) -> bytes:
        """Send a review; the first line of the answer, or nothing."""
        header = FORWARDED if forwarded else b""
        head = b"POST /mutate-pods?timeout=10s HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        request = head + header + b"Content-Length: %d\r\n\r\n" % len(body) + body
        return await self._send(url, request, ANSWER_SECONDS)

    async def unfinished(self, url: str, seconds: float) -> None:
        """Announce a megabyte, send half of it, and wait."""
        head = b"POST /mutate-pods HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        await self._send(url, head + b"Content-Length: %d\r\n\r\n" % MEGABYTE + b" " * (MEGABYTE // 2), seconds)

    async def silent(self, urls: Sequence[str], count: int, seconds: float, *, handshake: bool) -> None:
        """Connect and say nothing, or not even shake hands."""
        async with asyncio.TaskGroup() as silence:
            for index in range(count):
                silence.create_task(self._silent(urls[index % len(urls)], seconds, handshake=handshake))

    async def _silent(self, url: str, seconds: float, *, handshake: bool) -> None:
        async with self._room:
            with contextlib.suppress(OSError, TimeoutError):  # it was shown the door: no harm done
                reader, writer = await self._connect(url, handshake=handshake)
                try:
                    async with asyncio.timeout(seconds):
                        await reader.read(1)
                finally:
                    writer.transport.abort()

    async def _send(self, url: str, request: bytes, seconds: float) -> bytes:
        async with self._room:
            with contextlib.suppress(OSError, TimeoutError):
                reader, writer = await self._connect(url, handshake=True)
                try:
                    writer.write(request)
                    async with asyncio.timeout(seconds):
                        return await reader.readline()
                finally:
                    writer.transport.abort()
        return b""

    async def _connect(self, url: str, *, handshake: bool) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        parts = urlsplit(url)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await asyncio.open_connection(
                parts.hostname, parts.port, ssl=self._tls if handshake else None, local_addr=(self._source, 0)
            )
