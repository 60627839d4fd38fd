"""Crowds of clients that connect to a replica and do nothing useful, from loopback addresses of their own."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from yarl import URL

if TYPE_CHECKING:
    from collections.abc import Sequence

AT_ONCE: Final = 64
PIECE: Final = b" " * 65_536


class _Visit(NamedTuple):
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter


class Crowd:
    """Connections to one replica's webhook that stay open until the end of the block, unless it closes them."""

    def __init__(self, url: str, sources: Sequence[str]) -> None:
        """Let them come from these addresses, in turn."""
        self._host, self._port = URL(url).host, URL(url).port
        self._sources = sources
        self._visits: list[_Visit] = []
        self._tls = ssl.create_default_context()
        self._tls.check_hostname = False
        self._tls.verify_mode = ssl.CERT_NONE
        self._turn = asyncio.Semaphore(AT_ONCE)

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        for visit in self._visits:
            visit.writer.transport.abort()
        await asyncio.sleep(0)

    async def say_nothing(self, number: int, *, tls: bool = True) -> None:
        """Connect so many times; without TLS the handshake never begins."""
        await asyncio.gather(*(self._connect(each, tls=tls) for each in range(number)))

    async def send_bodies(self, number: int, size: int) -> None:
        """Begin so many reviews whose bodies lack their last byte."""
        await asyncio.gather(*(self._begin(each, size) for each in range(number)))

    async def _connect(self, each: int, *, tls: bool = True) -> _Visit | None:
        here = (self._sources[each % len(self._sources)], 0)
        async with self._turn:
            # Whoever is turned away in the middle of the handshake has been turned away as well.
            with suppress(OSError):
                visit = _Visit(
                    *await asyncio.open_connection(
                        self._host, self._port, ssl=self._tls if tls else None, local_addr=here
                    )
                )
                self._visits.append(visit)
                return visit
        return None

    async def _begin(self, each: int, size: int) -> None:
        visit = await self._connect(each)
        if visit is None:
            return
        head = (
            f"POST /mutate-pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: {size}\r\n\r\n"
        )
        with suppress(OSError):
            visit.writer.write(head.encode())
            for start in range(0, size - 1, len(PIECE)):
                visit.writer.write(PIECE[: size - 1 - start])
                await visit.writer.drain()
                if visit.reader.at_eof() or visit.writer.is_closing():
                    break
