"""Two ends of a forwarded connection: what one reads, the other writes, down to how they end."""

from __future__ import annotations

import asyncio
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, cast

if TYPE_CHECKING:
    from collections.abc import Callable

Backend = tuple[str, int]
CUT_POLL_SECONDS = 0.01


async def cut_all(sides: set[Side]) -> None:
    """Reset every connection, and wait until all are gone."""
    while sides:
        for side in sides:
            side.cut()
        # The loop tells a side that it is cut in a later turn.
        await asyncio.sleep(CUT_POLL_SECONDS)


class Side(asyncio.Protocol):
    """One end of a forwarded connection: what it reads, the other end writes."""

    def __init__(self, sides: set[Side]) -> None:
        """Put it among `sides` for as long as it is connected."""
        self.sides = sides
        self.transport: asyncio.Transport | None = None
        self.other: Side | None = None
        self.heard_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected."""
        self.transport = cast("asyncio.Transport", transport)
        self.sides.add(self)

    def cut(self) -> None:
        """Reset this end, and with it the other."""
        if self.transport is not None and not self.transport.is_closing():
            # Closed without lingering, a connection is reset: the client must not take it for an orderly end.
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
        """Pass what was read on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.write(data)

    def eof_received(self) -> bool:
        """Pass a half-closed connection on; keep the other direction open until it has ended too."""
        self.heard_end = True
        if self.other is None or self.other.transport is None:
            return True
        self.other.transport.write_eof()
        return not self.other.heard_end

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other end as this one has ended."""
        self.sides.discard(self)
        if self.other is not None and self.other.transport is not None:
            # A reset on one side is a reset on the other.
            if exc is not None:
                self.other.cut()
            else:
                self.other.transport.close()
        self.other = None

    def pause_writing(self) -> None:
        """Let the other end read no more than this one can write."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        """Let the other end read on."""
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class ClientSide(Side):
    """The end towards the client, which connects the other end.

    What the client says before the backend is connected is kept: a loop may deliver the first bytes even of a
    transport that was paused from the beginning (uvloop does).
    """

    def __init__(self, sides: set[Side], pick: Callable[[], Backend | None]) -> None:
        """Connect to what `pick` returns, once."""
        super().__init__(sides)
        self._pick = pick
        self._connecting: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Be connected, and connect the other end."""
        super().connection_made(transport)
        self.connect()

    def connect(self) -> None:
        """Begin to connect the other end."""
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        """Pass what was read on, or keep it until there is somewhere to write it."""
        if self.other is None and self.transport is not None:
            self._early.append(data)
            self.transport.pause_reading()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        """End the other end, or the attempt to connect it."""
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)

    def connected(self) -> None:
        """Tell the client, if it has to be told."""

    def refused(self) -> None:
        """Turn the client away: there is no backend, or it did not answer."""
        self.cut()

    def towards_backend(self) -> Side:
        """Make the other end."""
        return Side(self.sides)

    async def _connect(self) -> None:
        client = cast("asyncio.Transport", self.transport)
        backend = self._pick()
        server = self.towards_backend()
        server.other = self
        if backend is not None:
            with suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: server, *backend)
        if server.transport is None:
            self.refused()
            return
        self.connected()
        self.other = server
        server.transport.writelines(self._early)
        self._early.clear()
        if self.heard_end:
            server.transport.write_eof()
        client.resume_reading()
