"""What kube-proxy would do for the webhook's Service, and a note of every connection that came to nothing.

A random ready endpoint for each connection, no second try; endpoints follow the replicas' readiness with a kubelet's
delay, and connections that exist outlive the endpoint.
"""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING

from chaos.causes import Loss
from devcluster.connections import Backend, ClientSide, Side, cut_all
from devcluster.loopback import HOST

if TYPE_CHECKING:
    from collections.abc import Callable

BACKLOG = 1024
# From a container's death or a probe's answer to the rules of kube-proxy, as a kubelet and the control plane take it.
ENDPOINT_DELAY_SECONDS = 1.0
POLL_SECONDS = 0.05


class Late:
    """What was ready a kubelet's delay ago."""

    def __init__(self) -> None:
        """Have seen nothing yet."""
        self._observed_of: list[tuple[float, frozenset[int]]] = []
        self._endpoints: frozenset[int] = frozenset()

    def endpoints(self, ready: frozenset[int], now: float) -> frozenset[int]:
        """Take note of what is ready now, and return what was."""
        self._observed_of.append((now, ready))
        while self._observed_of[0][0] <= now - ENDPOINT_DELAY_SECONDS:
            self._endpoints = self._observed_of.pop(0)[1]
        return self._endpoints


class ServiceProxy:
    """The cluster IP and port of the webhook's Service."""

    def __init__(self, ready: Callable[[], frozenset[int]], seed: int) -> None:
        """Have no endpoint yet.

        Args:
            ready: the webhook ports of the replicas that are ready now.
            seed: for the choice among endpoints.
        """
        self.endpoints: frozenset[int] = frozenset()
        self.losses: list[Loss] = []
        """Those that nobody has looked at yet."""
        self._ready = ready
        self._chance = random.Random(f"{seed}/endpoints")  # noqa: S311 (to be replayed, not to be secret)
        self._sides: set[Side] = set()
        self._server: asyncio.Server | None = None

    async def listen(self, address: str, port: int) -> None:
        """Take connections.

        Raises:
            OSError: the address and port cannot be listened on.
        """
        self._server = await asyncio.get_running_loop().create_server(
            lambda: _Connection(self._sides, self.pick, self.losses), address, port, backlog=BACKLOG
        )

    async def follow(self) -> None:
        """Have the endpoints follow the readiness, late; goes on until cancelled."""
        late = Late()
        while True:
            self.endpoints = late.endpoints(self._ready(), time.monotonic())
            await asyncio.sleep(POLL_SECONDS)

    def pick(self) -> Backend | None:
        """Pick an endpoint for one connection."""
        return (HOST, self._chance.choice(sorted(self.endpoints))) if self.endpoints else None

    async def close(self) -> None:
        """Stop listening, and cut the connections that exist."""
        if self._server is not None:
            self._server.close()
        await cut_all(self._sides)


class _Connection(ClientSide):
    """The end towards the API server."""

    def __init__(self, sides: set[Side], pick: Callable[[], Backend | None], losses: list[Loss]) -> None:
        super().__init__(sides, self._choose)
        self.asked: float | None = None
        self.broken = False
        self._noted = False
        self._choice = pick
        self._losses = losses
        self._backend: Backend | None = None
        self._opened = time.monotonic()

    def towards_backend(self) -> Side:
        return _Answering(self.sides, self)

    def data_received(self, data: bytes) -> None:
        if self.asked is None:
            self.asked = time.monotonic()
        super().data_received(data)

    def refused(self) -> None:
        self.broken = True
        super().refused()

    def eof_received(self) -> bool:
        # The API server asks nothing more: if it waits for an answer, it has given up. A process that is paused would
        # keep the other half open until it goes on.
        self._note()
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        self._note()
        super().connection_lost(exc)

    def _note(self) -> None:
        """Remember the connection if it comes to nothing, once."""
        if self._backend is None or self._noted or not (self.asked is not None or self.broken):
            return
        self._noted = True
        client_port = 0 if self.transport is None else self.transport.get_extra_info("peername")[1]
        self._losses.append(Loss(self._backend[1], client_port, self._opened, time.monotonic(), self.asked))

    def _choose(self) -> Backend | None:
        self._backend = self._choice()
        return self._backend


class _Answering(Side):
    """The end towards the replica."""

    def __init__(self, sides: set[Side], client: _Connection) -> None:
        super().__init__(sides)
        self._client = client

    def data_received(self, data: bytes) -> None:
        self._client.asked = None
        super().data_received(data)

    def eof_received(self) -> bool:
        self._client.broken = True
        return super().eof_received()

    def connection_lost(self, exc: Exception | None) -> None:
        if self._client.transport is not None and not self._client.transport.is_closing():
            self._client.broken = True
        super().connection_lost(exc)
