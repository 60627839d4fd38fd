"""A reflector that follows a script."""

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

import pytest
from tests.support.scripted import Answer, ScriptedTransport, Step
from tests.unit.kube.documents import Told, decode, page

from kubemacpool.kube.reflector import Reflector, Surroundings
from kubemacpool.kube.resource import Resource
from kubemacpool.ports import ClusterUnavailableError

PODS = Resource("/api/v1/pods", field_selector="status.phase!=Failed", metadata_only=True)
CUT = ClusterUnavailableError("the connection was cut")
FURTHER: Final = Answer(page(1000))
"""The cluster has come further, as it says after an outage."""


class Play:
    """A reflector that follows a script, and what came of it."""

    def __init__(self, steps: Iterable[Step], *, times: Sequence[float] = (0.0,)) -> None:
        """Begin.

        Args:
            steps: the script.
            times: what time it is before the first request, after the first, and so on; then as at the last.
        """
        self.times = times
        self.told = Told()
        self.delays: list[float] = []
        self.transport = ScriptedTransport(steps)
        self.reflector = Reflector(
            self.transport,
            PODS,
            decode,
            self.told,
            surroundings=Surroundings(now=self._now, sleep=self._sleep, draw=lambda: 1.0),
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

    @property
    def kinds(self) -> list[str]:
        """What was asked for: lists, watches, and how far the cluster is."""
        return [_kind(request.params) for request in self.transport.requests]

    def _now(self) -> float:
        return self.times[min(len(self.transport.requests), len(self.times) - 1)]

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)


def _kind(params: Mapping[str, str]) -> str:
    if "watch" in params:
        return "watch"
    return "position" if params["limit"] == "1" else "list"
