"""How a simulated replica reaches the simulated API server: what `ApiClient` does, over a link that can be bad."""

import asyncio
import random
from collections.abc import Awaitable, Callable, Mapping
from typing import Final, Self, TypeVar

from tests.sim.api import ApiServer
from tests.sim.store import ApiError
from tests.sim.watch import Watch

from kubemacpool.kube.client import REQUEST_SECONDS
from kubemacpool.kube.transport import JSON, StreamSilentError, failure_of
from kubemacpool.ports import ClusterUnavailableError

ResultT = TypeVar("ResultT")

BRISK: Final = (0.001, 0.01)
INSTANT: Final = (0.0, 0.0)


class Link:
    """What is between one client and the API server.

    Attributes:
        whole: whether requests come through, and what watches send.
        refusing: whether a request that does not come through fails at once, instead of never being answered.
        held: collections of which nothing that watches send comes through.
        latency: seconds, least and most, for one way.
        answers_to_lose: so many answers to the next writes are lost.
    """

    def __init__(self, rng: random.Random, latency: tuple[float, float] = BRISK) -> None:
        self.whole = True
        self.refusing = False
        self.held: set[str] = set()
        self.latency = latency
        self.answers_to_lose = 0
        self._rng = rng
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """What waits for the link looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def cross(self) -> None:
        """One way of a request.

        Raises:
            ConnectionError: the link is broken and says so.
        """
        await asyncio.sleep(self._rng.uniform(*self.latency))
        if not self.whole:
            if self.refusing:
                raise ConnectionError("connection refused")
            await asyncio.Event().wait()  # lost: whoever waits for it has a time-out of its own

    async def carry(self, plural: str, sent_at: float) -> None:
        """Returns when what a watch has sent has arrived; it is late when the link stands, and not lost."""
        arrival = sent_at + self._rng.uniform(*self.latency)
        await asyncio.sleep(max(0.0, arrival - asyncio.get_running_loop().time()))
        while not self.whole or plural in self.held:
            await self._changed.wait()


class SimulatedClient:
    """Has the methods of `ApiClient` that production code uses (implements `Transport`).

    Attributes:
        link: what is between it and the API server.
        watches: of this client, that are open.
    """

    def __init__(self, server: ApiServer, link: Link) -> None:
        self.link = link
        self.watches: dict[Watch, str] = {}
        self._server = server

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> bytes:
        """The body of the answer to a GET."""

        async def work() -> bytes:
            return self._server.get(path, params or {}, accept)

        return await self._exchange(f"GET {path}", work)

    async def create(self, path: str, body: bytes) -> bytes:
        """POST an object to its collection."""
        return await self._exchange(f"POST {path}", lambda: self._server.create(path, body), writes=True)

    async def patch(self, path: str, body: bytes, *, content_type: str, dry_run: bool = False) -> bytes:  # noqa: ARG002 (all are merge patches)
        """PATCH an object."""
        assert not dry_run

        async def work() -> bytes:
            return self._server.patch(path, body)

        return await self._exchange(f"PATCH {path}", work, writes=True)

    async def stream(
        self,
        path: str,
        params: Mapping[str, str],
        hear: Callable[[bytes], None],
        *,
        accept: str,
        idle_seconds: float,
        total_seconds: float,
    ) -> None:
        """A GET whose answer goes on."""
        what = f"GET {path} (stream)"
        plural = path.rpartition("/")[2]

        async def work() -> Watch:
            return self._server.watch(path, params, accept, lambda sent_at: self.link.carry(plural, sent_at))

        watch = await self._exchange(what, work)
        self.watches[watch] = plural
        try:
            async for line in _Lines(watch, what, idle_seconds, asyncio.get_running_loop().time() + total_seconds):
                hear(line)
        finally:
            watch.close()
            del self.watches[watch]

    async def _exchange(self, what: str, work: Callable[[], Awaitable[ResultT]], *, writes: bool = False) -> ResultT:
        """One request: it goes on at the API server though whoever has sent it is paused, or has given up."""
        loop = asyncio.get_running_loop()
        answer = loop.create_task(self._answer(work, writes=writes), context=self._server.process.context)
        answer.add_done_callback(hear_out)
        try:
            async with asyncio.timeout(REQUEST_SECONDS):
                return await asyncio.shield(answer)
        except ApiError as error:
            raise failure_of(what, error.code, error.body) from error
        except (ConnectionError, TimeoutError) as error:
            raise ClusterUnavailableError(f"{what}: {str(error) or 'no answer in time'}") from error

    async def _answer(self, work: Callable[[], Awaitable[ResultT]], *, writes: bool) -> ResultT:
        await self.link.cross()
        result = await work()
        if writes and self.link.answers_to_lose:
            self.link.answers_to_lose -= 1
            raise ConnectionError("connection reset")
        await self.link.cross()
        return result


def hear_out(task: "asyncio.Task[ResultT]") -> None:
    """Nobody may wait for the answer any more; a failure that nobody hears of is none."""
    if not task.cancelled():
        task.exception()


class _Lines:
    """The lines of a watch, its failures in our words."""

    def __init__(self, watch: Watch, what: str, idle_seconds: float, end: float) -> None:
        self._watch = watch
        self._what = what
        self._idle_seconds = idle_seconds
        self._end = end

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> bytes:
        loop = asyncio.get_running_loop()
        silent = loop.time() + self._idle_seconds
        try:
            async with asyncio.timeout_at(min(silent, self._end)):
                line = await self._watch.arrived.get()
        except TimeoutError as error:
            if loop.time() >= self._end:
                raise ClusterUnavailableError(f"{self._what}: no answer in time") from error
            raise StreamSilentError(f"{self._what}: the API server fell silent") from error
        if line is None:
            raise StopAsyncIteration
        if isinstance(line, Exception):
            raise line
        return line
