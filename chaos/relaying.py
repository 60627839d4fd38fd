"""Ways that can be cut: between the replicas, and from each replica to the API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Literal

from devcluster.connections import Backend, ClientSide, Side, cut_all

if TYPE_CHECKING:
    from collections.abc import Callable

State = Literal["open", "cut", "silent"]


class Relay:
    """One way: what connects here is connected to the target, unless the way is cut or silent.

    A way that is cut resets what exists and refuses what comes. One that is silent takes everything and passes nothing
    on until it is open again, as a network that loses packets would.
    """

    def __init__(self, target: Backend) -> None:
        """Lead to the target."""
        self.state: State = "open"
        self._target = target
        self._sides: set[Side] = set()
        self._kept: list[Callable[[], None]] = []
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> None:
        """Take connections.

        Raises:
            OSError: the address and port cannot be listened on.
        """
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Traveller(self._sides, self), address, port
        )

    async def cut(self) -> None:
        """Reset every connection, and refuse others."""
        self.state = "cut"
        await cut_all(self._sides)

    def silence(self) -> None:
        """Pass nothing on."""
        self.state = "silent"

    def open(self) -> None:
        """Pass on what was kept, and whatever comes."""
        self.state = "open"
        kept, self._kept = self._kept, []
        for late in kept:
            late()

    async def close(self) -> None:
        """Stop listening, and cut the connections that exist."""
        if self._server is not None:
            self._server.close()
        await self.cut()

    def pick(self) -> Backend | None:
        """Where a new connection leads."""
        return None if self.state == "cut" else self._target

    def passes(self, late: Callable[[], None]) -> bool:
        """Tell whether something may pass now; if not, it is done late."""
        if self.state == "silent":
            self._kept.append(late)
        return self.state != "silent"


class _Traveller(ClientSide):
    """The end towards the one who connects."""

    def __init__(self, sides: set[Side], relay: Relay) -> None:
        super().__init__(sides, relay.pick)
        self._relay = relay

    def connect(self) -> None:
        if self._relay.passes(lambda: _unless_closed(self, super(_Traveller, self).connect)):
            super().connect()

    def data_received(self, data: bytes) -> None:
        if self._relay.passes(lambda: _unless_closed(self, lambda: super(_Traveller, self).data_received(data))):
            super().data_received(data)

    def towards_backend(self) -> Side:
        return _Return(self.sides, self._relay)


class _Return(Side):
    """The end towards the target."""

    def __init__(self, sides: set[Side], relay: Relay) -> None:
        super().__init__(sides)
        self._relay = relay

    def data_received(self, data: bytes) -> None:
        if self._relay.passes(lambda: _unless_closed(self, lambda: super(_Return, self).data_received(data))):
            super().data_received(data)


def _unless_closed(side: Side, act: Callable[[], None]) -> None:
    if side.transport is not None and not side.transport.is_closing():
        act()
