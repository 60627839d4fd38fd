"""A kind that comes and goes, with everything around it."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

from tests.support.outside import Strict
from tests.unit.election.candidates import LoopClock

from kubemacpool.follow.kinds import GONE_SECONDS, OptionalKind, Presence
from kubemacpool.follow.readiness import Readiness
from kubemacpool.progress import ViewProgress

if TYPE_CHECKING:
    from kubemacpool.ports import OutsideError

V1: Final = {"machines": "/apis/example.org/v1/machines", "claims": "/apis/example.org/v1/claims"}
V2: Final = {"machines": "/apis/example.org/v2/machines", "claims": "/apis/example.org/v2/claims"}


class ScriptedWatch:
    """A watch that lists when it is told to (implements `Watch`)."""

    def __init__(self, path: str, story: list[str]) -> None:
        self.path = path
        self.listed = asyncio.Event()
        self.waiting = 0
        """How many wait for a list."""
        self.end: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.ends_slowly = False
        self._story = story

    async def run(self) -> None:
        """Until cancelled, or until it fails."""
        self._story.append(f"follow {self.path}")
        try:
            await self.end
        finally:
            if self.ends_slowly:
                await asyncio.sleep(1.0)
            self._story.append(f"leave {self.path}")

    async def relist(self) -> None:
        """Returns when it has listed."""
        self.waiting += 1
        try:
            await self.listed.wait()
        finally:
            self.waiting -= 1

    def forget(self) -> None:
        """Tells of everything as gone."""
        self._story.append(f"forget {self.path}")

    def move(self, path: str) -> None:
        """It is somewhere else from now on."""
        self.path = path
        self._story.append(f"move to {path}")


class KeptStory:
    """Remembers what it was told, in order with what the watch does (implements `KindListener`)."""

    def __init__(self, story: list[str]) -> None:
        self.progress = ViewProgress()
        self._story = story

    def begin(self) -> None:
        """The kind is there."""
        self._story.append("begin")

    def end(self) -> None:
        """It is not there any more."""
        self.progress.begin_anew()
        self._story.append("end")


class ScriptedCatalogue:
    """What is served at the moment; errors first, and only while it is not held up (implements `Catalogue`)."""

    def __init__(self) -> None:
        self.served: Mapping[str, str] = {}
        self.errors: list[OutsideError] = []
        self.lists: list[str] | None = None
        """The collections that say themselves that they are there; None for those that are served."""
        self.list_errors: list[OutsideError] = []
        self.looks: list[float] = []
        """When it was asked."""
        self.let_go = asyncio.Event()
        self.let_go.set()

    async def resources(self) -> Mapping[str, str]:
        """By plural, the path."""
        self.looks.append(asyncio.get_running_loop().time())
        served = self.served
        await self.let_go.wait()
        if self.errors:
            raise self.errors.pop(0)
        return served

    async def serves(self, path: str) -> bool:
        """Whether the collection says that it is there."""
        if self.list_errors:
            raise self.list_errors.pop(0)
        return path in (self.served.values() if self.lists is None else self.lists)


class Installation:
    """One kind that may come and go, and everything around it."""

    def __init__(self) -> None:
        self.story: list[str] = []
        self.watches: list[ScriptedWatch] = []
        self.catalogue = ScriptedCatalogue()
        self.readiness = Readiness()
        self.listener = KeptStory(self.story)
        self.kind = OptionalKind("machines", self.listener, self._watch)
        self.presence = Presence(self.catalogue, [self.kind], self.readiness, LoopClock())

    def _watch(self, path: str) -> ScriptedWatch:
        watch = ScriptedWatch(path, self.story)
        self.watches.append(watch)
        return watch

    @asynccontextmanager
    async def running(self) -> "AsyncIterator[asyncio.Task[None]]":
        """Looks again and again meanwhile; the first look is over, if it was let go."""
        running = asyncio.create_task(self._run())
        await asyncio.sleep(0.1)
        try:
            yield running
        finally:
            running.cancel()
            await asyncio.wait({running})
        if not running.cancelled():
            await running

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            await self.presence.run(Strict(tasks))

    async def remove(self) -> None:
        """The API server does not serve anything any more, and it is known that this is to last."""
        self.catalogue.served = {}
        await self.presence.look()
        await asyncio.sleep(GONE_SECONDS)
        await self.presence.look()

    async def pass_time(self, seconds: float) -> None:
        """Let time pass."""
        await asyncio.sleep(seconds)
