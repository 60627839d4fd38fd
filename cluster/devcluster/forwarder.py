"""A Service's cluster IP on the loopback: what kube-proxy would do with packets, done with connections.

A backend is picked at random for each connection, once: a connection that the backend refuses is closed, as with
kube-proxy, so that clients meet the failures here that they would meet there. A Service without a ready backend
refuses connections. Those that exist live on when their backend is no longer listed.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, cast

from devcluster.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

Backend = tuple[str, int]
BACKLOG = 1024
CUT_POLL_SECONDS = 0.01


class Forwarder:
    """The forwarder of one Service port."""

    def __init__(self, name: str, address: str, port: int) -> None:
        """Name the cluster IP and port; nothing listens before there is a backend."""
        self.name = name
        self.address = address
        self.port = port
        self.backends: tuple[Backend, ...] = ()
        self._server: asyncio.Server | None = None
        self.sides: set[_Side] = set()

    async def set_backends(self, backends: Sequence[Backend]) -> None:
        """Forward new connections to these from now on.

        Raises:
            SettingError: the cluster IP and port cannot be listened on.
        """
        self.backends = tuple(backends)
        if self.backends and self._server is None:
            try:
                self._server = await asyncio.get_running_loop().create_server(
                    lambda: _ClientSide(self), self.address, self.port, backlog=BACKLOG
                )
            except PermissionError as error:
                message = (
                    f"Service {self.name} needs {self.address}:{self.port}, and ports below 1024 are not this user's; "
                    f"run `sudo sysctl net.ipv4.ip_unprivileged_port_start={self.port}`, or run as root."
                )
                raise SettingError(message) from error
            except OSError as error:
                message = f"Service {self.name} cannot listen on {self.address}:{self.port}: {error.strerror}."
                raise SettingError(message) from error
        elif not self.backends and self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Stop listening, and cut the connections that exist."""
        await self.set_backends(())
        while self.sides:
            for side in self.sides:
                side.cut()
            # The loop tells a side that it is cut in a later turn.
            await asyncio.sleep(CUT_POLL_SECONDS)

    def pick(self) -> Backend | None:
        """Pick a backend for one connection."""
        return secrets.choice(self.backends) if self.backends else None


class _Side(asyncio.Protocol):
    """One end of a forwarded connection: what it reads, the other end writes."""

    def __init__(self, forwarder: Forwarder) -> None:
        self.forwarder = forwarder
        self.transport: asyncio.Transport | None = None
        self.other: _Side | None = None
        self.heard_end = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        self.forwarder.sides.add(self)

    def cut(self) -> None:
        """Reset this end, and with it the other."""
        if self.transport is not None and not self.transport.is_closing():
            # Closed without lingering, a connection is reset: the client must not take it for an orderly end.
            self.transport.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            self.transport.abort()

    def data_received(self, data: bytes) -> None:
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
        self.forwarder.sides.discard(self)
        if self.other is not None and self.other.transport is not None:
            # A reset on one side is a reset on the other.
            if exc is not None:
                self.other.cut()
            else:
                self.other.transport.close()
        self.other = None

    def pause_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other is not None and self.other.transport is not None:
            self.other.transport.resume_reading()


class _ClientSide(_Side):
    """The end towards the client, which connects the other end.

    What the client says before the backend is connected is kept: a loop may deliver the first bytes even of a
    transport that was paused from the beginning (uvloop does).
    """

    def __init__(self, forwarder: Forwarder) -> None:
        super().__init__(forwarder)
        self._connecting: asyncio.Task[None] | None = None
        self._early: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        self._connecting = asyncio.get_running_loop().create_task(self._connect())

    def data_received(self, data: bytes) -> None:
        if self.other is None and self.transport is not None:
            self._early.append(data)
            self.transport.pause_reading()
        super().data_received(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._connecting is not None:
            self._connecting.cancel()
        super().connection_lost(exc)

    async def _connect(self) -> None:
        client = cast("asyncio.Transport", self.transport)
        backend = self.forwarder.pick()
        server = _Side(self.forwarder)
        server.other = self
        if backend is not None:
            with suppress(OSError):
                await asyncio.get_running_loop().create_connection(lambda: server, *backend)
        if server.transport is None:
            self.cut()
            return
        self.other = server
        server.transport.writelines(self._early)
        self._early.clear()
        if self.heard_end:
            server.transport.write_eof()
        client.resume_reading()
