"""Creates at a steady pace, whatever becomes of them, and what became of them."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tests.support.cluster_client import macs_of, pod

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient, Reply

RATE: Final = 50
"""Creates a second."""
CAUSES: Final = {
    "nobody listens": ("connection refused", "no endpoints available"),
    "nobody is there": ("no route to host", "network is unreachable"),
    "broken off": ("EOF", "connection reset", "broken pipe"),
    "too late": ("context deadline exceeded", "timed out", "i/o timeout"),
    "not decided": ("cannot decide yet",),
}


class Failure(NamedTuple):
    """A create that failed, on the monotonic clock."""

    sent: float
    answered: float
    cause: str
    message: str


class Pace:
    """Pods that are given addresses and no node, fifty a second, for as long as the block lasts."""

    def __init__(self, client: ClusterClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._tasks: set[asyncio.Task[None]] = set()
        self._runner: asyncio.Task[None] | None = None
        self.macs: list[str] = []
        self.failures: list[Failure] = []

    async def __aenter__(self) -> Self:
        self._runner = asyncio.create_task(self._run())
        await asyncio.sleep(1)
        assert self.macs, self.failures
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._runner is not None
        self._runner.cancel()
        await asyncio.gather(*self._tasks)

    def told(self, origin: float) -> str:
        """What failed, by cause, with when it was sent after a moment."""
        causes = Counter(failure.cause for failure in self.failures)
        moments = [f"{failure.sent - origin:.1f}+{failure.answered - failure.sent:.1f}" for failure in self.failures]
        texts = "\n".join(sorted({failure.message for failure in self.failures}))
        return f"{len(self.macs)} created, failed: {dict(causes)} at {moments[:20]}\n{texts}"

    def shared(self) -> list[str]:
        """The addresses that two pods were given."""
        return [mac for mac, count in Counter(self.macs).items() if count > 1]

    async def _run(self) -> None:
        due = time.monotonic()
        while True:
            task = asyncio.create_task(self._create())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
            due += 1 / RATE
            await asyncio.sleep(max(0.0, due - time.monotonic()))

    async def _create(self) -> None:
        path = f"/api/v1/namespaces/{self._namespace}/pods"
        reply = await self._client.ask("POST", path, pod(generate_name="paced-"))
        if reply.created:
            self.macs += macs_of(reply.networks)
        else:
            self.failures.append(Failure(reply.sent, reply.answered, _cause(reply), reply.message))


def _cause(reply: Reply) -> str:
    for cause, words in CAUSES.items():
        if any(word in reply.message for word in words):
            return cause
    return "other"
