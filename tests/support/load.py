"""Many clients that create pods, each as soon as its last one was answered, while something happens to us."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tests.support.cluster_client import pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

CLIENTS: Final = 16
THINK_SECONDS: Final = 0.1
"""Between two creates of a client: what is tested here is no matter of the rate."""
GENERATED: Final = "gen-"


class Failure(NamedTuple):
    """A create that failed: when it began, on the monotonic clock, what the client was told, and when."""

    began: float
    message: str
    ended: float


class Load:
    """Sixteen clients, for as long as the block lasts.

    Every pod has two networks. Of those of each client one in five asks for an address of its own, one in two is named
    by the API server.
    """

    def __init__(self, cluster: ClusterClient, namespace: str, block: Block, *, think: float = THINK_SECONDS) -> None:
        """Use the addresses of this block for those who ask for one, and pause so many seconds after each create."""
        self._think = think
        self.created: dict[str, list[str]] = {}
        self.failures: list[Failure] = []
        self._cluster = cluster
        self._namespace = namespace
        self._block = block
        self._over = asyncio.Event()
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._clients = [asyncio.create_task(self._create(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._clients)

    async def until_more(self, count: int) -> None:
        """Wait until so many more were created."""
        wanted = len(self.created) + count

        async def enough() -> bool:
            return len(self.created) >= wanted

        await eventually(enough, f"{count} more pods are created")

    def shared(self) -> list[str]:
        """The addresses that more than one pod was given."""
        given = Counter(mac for macs in self.created.values() for mac in macs)
        return [mac for mac, count in given.items() if count > 1]

    async def _create(self, client: int) -> None:
        count = 0
        while not self._over.is_set():
            count += 1
            mac = f',"mac":"{self._block[client * 1000 + count]}"' if count % 5 == 0 else ""
            networks = f'[{{"name":"one"{mac}}},{{"name":"two"}}]'
            named = pod(f"pod-{client}-{count}", networks)
            manifest = named if count % 2 else pod("", networks, generate_name=GENERATED)
            began = time.monotonic()
            reply = await self._cluster.create(self._namespace, manifest)
            if reply.created:
                self.created[reply.metadata.name] = reply.macs
            else:
                self.failures.append(Failure(began, reply.message, time.monotonic()))
            await asyncio.sleep(self._think)
