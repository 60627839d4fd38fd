"""Clients that create pods with a network, whether or not we are there to give it an address."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final, NamedTuple, Self

import aiohttp
from tests.support.cluster_client import ClusterClient, pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.controlplane import ControlPlane

CLIENTS: Final = 8
THINK_SECONDS: Final = 0.05


class Create(NamedTuple):
    """One create: when it began, on the monotonic clock, and what came of it."""

    began: float
    message: str
    """Why it failed; empty where it did not."""
    mac: str
    """What it was given; empty where we were not asked."""


class Creating:
    """Eight clients, for as long as the block lasts, and a namespace of theirs."""

    def __init__(self, control_plane: ControlPlane, namespace: str, labels: Mapping[str, str] | None = None) -> None:
        """Make this namespace, with these labels, when the block begins."""
        self.creates: list[Create] = []
        self._control_plane = control_plane
        self._namespace = namespace
        self._labels = labels
        self._over = asyncio.Event()
        self._clients: list[asyncio.Task[None]] = []

    async def __aenter__(self) -> Self:
        self._cluster = await ClusterClient(self._control_plane).__aenter__()
        await self._cluster.namespace(self._namespace, self._labels)
        self._clients = [asyncio.create_task(self._create(number)) for number in range(CLIENTS)]
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        await asyncio.gather(*self._clients)
        await self._cluster.__aexit__()

    @property
    def failures(self) -> list[Create]:
        """Those that failed."""
        return [create for create in self.creates if create.message]

    def served(self, since: float = 0.0) -> list[Create]:
        """Those that were given an address, of those that began after a moment."""
        return [create for create in self.creates if create.mac and create.began >= since]

    def unserved(self, since: float = 0.0) -> list[Create]:
        """Those that were created without one."""
        return [create for create in self.creates if not (create.mac or create.message) and create.began >= since]

    async def more(self, count: int = 50) -> None:
        """Wait until so many more have been answered, whatever the answer was."""
        wanted = len(self.creates) + count

        async def enough() -> bool:
            return len(self.creates) >= wanted

        await eventually(enough, f"{count} more creates")

    async def _create(self, client: int) -> None:
        count = 0
        while not self._over.is_set():
            count += 1
            began = time.monotonic()
            try:
                reply = await self._cluster.create(self._namespace, pod(f"pod-{client}-{count}"))
            except (aiohttp.ClientError, OSError) as error:
                self.creates.append(Create(began, repr(error), ""))
            else:
                mac = str(reply.entries[0].get("mac", "")) if reply.created else ""
                self.creates.append(Create(began, "" if reply.created else reply.message or "no message", mac))
            await asyncio.sleep(THINK_SECONDS)
