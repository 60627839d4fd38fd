"""What stands in for the outside of a replica where it is put together without: tests, simulation, benchmarks."""

from __future__ import annotations

from typing import TYPE_CHECKING

from kubemacpool.ports import Importance, PeerError

if TYPE_CHECKING:
    import asyncio
    from collections.abc import Awaitable, Callable

    from kubemacpool.wire.review import Answer


class Strict:
    """Runs tasks in a group, where the first failure is everybody's (implements `Keeper`)."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self._tasks = tasks

    def keep(
        self,
        name: str,
        work: Callable[[], Awaitable[None]],
        importance: Importance = Importance.NEEDED,  # noqa: ARG002 (none of them may fail)
    ) -> asyncio.Task[None]:
        """Do this once, until it returns."""

        async def run() -> None:
            await work()

        return self._tasks.create_task(run(), name=name)


class NoPeer:
    """There is no other replica (implements `Peer`)."""

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """No answer."""
        raise PeerError(f"{endpoint}{path}: {len(body)} bytes not taken in {seconds} s")
