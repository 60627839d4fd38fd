"""A Service's cluster IP on the loopback: what kube-proxy would do with packets, done with connections.

A backend is picked at random for each connection, once: a connection that the backend refuses is closed, as with
kube-proxy, so that clients meet the failures here that they would meet there. A Service without a ready backend
refuses connections. Those that exist live on when their backend is no longer listed.
"""

from __future__ import annotations

import asyncio
import secrets
from typing import TYPE_CHECKING

from devcluster.connections import Backend, ClientSide, Side, cut_all
from devcluster.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Sequence

BACKLOG = 1024


class Forwarder:
    """The forwarder of one Service port."""

    def __init__(self, name: str, address: str, port: int) -> None:
        """Name the cluster IP and port; nothing listens before there is a backend."""
        self.name = name
        self.address = address
        self.port = port
        self.backends: tuple[Backend, ...] = ()
        self._server: asyncio.Server | None = None
        self._sides: set[Side] = set()

    async def set_backends(self, backends: Sequence[Backend]) -> None:
        """Forward new connections to these from now on.

        Raises:
            SettingError: the cluster IP and port cannot be listened on.
        """
        self.backends = tuple(backends)
        if self.backends and self._server is None:
            try:
                self._server = await asyncio.get_running_loop().create_server(
                    lambda: ClientSide(self._sides, self.pick), self.address, self.port, backlog=BACKLOG
                )
            except OSError as error:
                message = f"Service {self.name} cannot listen on {self.address}:{self.port}: {error.strerror}."
                raise SettingError(message) from error
        elif not self.backends and self._server is not None:
            self._server.close()
            self._server = None

    async def close(self) -> None:
        """Stop listening, and cut the connections that exist."""
        await self.set_backends(())
        await cut_all(self._sides)

    def pick(self) -> Backend | None:
        """Pick a backend for one connection."""
        return secrets.choice(self.backends) if self.backends else None
