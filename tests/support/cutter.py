"""A way to a server that can be cut, silent, or let hang, and mended: what a network does to its users."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal, Self

from devcluster.connections import Backend, ClientSide, Side, cut_all
from devcluster.loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["whole", "cut", "silent"]


class Cutter:
    """One way: what connects here is connected to the target, as long as it is whole.

    A way that is cut resets what exists and refuses what comes. One that is silent takes everything and passes nothing
    on until it is mended, as a network that loses packets would.

    Attributes:
        state: what it does with what comes.
        port: where clients connect, once it listens.
        connections: accepted so far, those that were refused at once included.
    """

    def __init__(self, target: Backend) -> None:
        """Lead to the target."""
        self.state: State = "whole"
        self.port = 0
        self.connections = 0
        self._target = target
        self._sides: set[Side] = set()
        self._kept: list[Callable[[], None]] = []
        self._left: int | None = None
        self._server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        """Listen on the loopback, on a port that is free."""
        await self.listen(HOST, 0)
        return self

    async def __aexit__(self, *_: object) -> None:
        """Close it."""
        await self.close()

    async def listen(self, address: str, port: int) -> None:
        """Take connections.

        Raises:
            OSError: the address and port cannot be listened on.
        """
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(lambda: _Near(self._sides, self), address, port)
        self.port = self._server.sockets[0].getsockname()[1]

    async def close(self) -> None:
        """Stop listening, and cut the connections that exist."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    async def cut(self) -> None:
        """Reset every connection, and refuse others until mended."""
        self.state = "cut"
        await cut_all(self._sides)

    def cut_after(self, count: int) -> None:
        """Let so many more bytes through from the target, then end that connection; later ones are whole."""
        self._left = count

    def silence(self) -> None:
        """Pass nothing on until mended."""
        self.state = "silent"

    def hang(self) -> None:
        """Pass nothing more on over the connections that there are, and keep them open; new ones are whole."""
        for side in self._sides:
            if isinstance(side, _Near | _Far):
                side.hangs = True

    def mend(self) -> None:
        """Pass on what was kept, and whatever comes."""
        self.state = "whole"
        kept, self._kept = self._kept, []
        for late in kept:
            late()

    def pick(self) -> Backend | None:
        """Where a new connection leads."""
        return None if self.state == "cut" else self._target

    def passes(self, late: Callable[[], None]) -> bool:
        """Tell whether something may pass now; if not, it is done late."""
        if self.state == "silent":
            self._kept.append(late)
        return self.state != "silent"

    def allowed(self, data: bytes) -> bytes:
        """As much of what the target says as may pass."""
        if self._left is None:
            return data
        data = data[: self._left]
        self._left -= len(data)
        return data

    def used_up(self) -> bool:
        """Whether as much has passed as may, which is told once."""
        used_up = self._left == 0
        if used_up:
            self._left = None
        return used_up


class _Near(ClientSide):
    """The end towards the one who connects."""

    def __init__(self, sides: set[Side], cutter: Cutter) -> None:
        super().__init__(sides, cutter.pick)
        self.hangs = False
        self._cutter = cutter

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._cutter.connections += 1
        super().connection_made(transport)

    def connect(self) -> None:
        if self._cutter.passes(lambda: _unless_closed(self, super(_Near, self).connect)):
            super().connect()

    def data_received(self, data: bytes) -> None:
        if not self.hangs and self._cutter.passes(
            lambda: _unless_closed(self, lambda: super(_Near, self).data_received(data))
        ):
            super().data_received(data)

    def eof_received(self) -> bool:
        return self.hangs or super().eof_received()

    def towards_backend(self) -> Side:
        return _Far(self.sides, self._cutter)


class _Far(Side):
    """The end towards the target."""

    def __init__(self, sides: set[Side], cutter: Cutter) -> None:
        super().__init__(sides)
        self.hangs = False
        self._cutter = cutter

    def data_received(self, data: bytes) -> None:
        if not self.hangs and self._cutter.passes(
            lambda: _unless_closed(self, lambda: super(_Far, self).data_received(data))
        ):
            super().data_received(self._cutter.allowed(data))
            if self._cutter.used_up() and self.other is not None and self.other.transport is not None:
                self.other.transport.close()

    def eof_received(self) -> bool:
        return self.hangs or super().eof_received()


def _unless_closed(side: Side, act: Callable[[], None]) -> None:
    if side.transport is not None and not side.transport.is_closing():
        act()
