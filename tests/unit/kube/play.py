"""A reflector that follows a script."""

import asyncio
from collections.abc import Callable, Iterable

import pytest
from tests.unit.kube.documents import Told, decode

from kubemacpool.kube.reflector import Reflector, Surroundings
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.scripted import ScriptedTransport, Step
from kubemacpool.ports.errors import ClusterUnavailableError

PODS = Resource("/api/v1/pods", field_selector="status.phase!=Failed", metadata_only=True)
CUT = ClusterUnavailableError("the connection was cut")


class Play:
    """A reflector that follows a script, and what came of it."""

    def __init__(self, steps: Iterable[Step], *, now: Callable[[], float] = lambda: 0.0) -> None:
        self.told = Told()
        self.delays: list[float] = []
        self.transport = ScriptedTransport(steps)
        self.reflector = Reflector(
            self.transport,
            PODS,
            decode,
            self.told,
            surroundings=Surroundings(now=now, sleep=self._sleep, draw=lambda: 1.0),
        )

    async def to_the_end(self) -> list[str]:
        """Runs until the script is at its end; gives what the listener was told."""
        running = asyncio.create_task(self.reflector.run())
        ended = asyncio.create_task(self.transport.finished.wait())
        await asyncio.wait([running, ended], return_when=asyncio.FIRST_COMPLETED, timeout=5)
        ended.cancel()
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        return self.told.lines

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)
