"""Kinds that may come and go: KubeVirt may be installed later, or removed, while we run."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Protocol

import structlog

from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Catalogue, Clock, Keeper, OutsideError, Watch
from kubemacpool.progress import ViewProgress

POLL_SECONDS: Final = 5.0
"""Between two looks at what the API server serves. A review of a kind that is not followed yet is a reason to look at
once, so nobody waits for this."""

RETRY_SECONDS: Final = 1.0
"""Until the next look, after one that was not answered, or while it is in doubt whether a kind is there."""

GONE_SECONDS: Final = 10.0
"""Between the first and the last time that a kind's own list says that it is not there, until it counts as removed. An
API server that has just started, and one whose CustomResourceDefinition is being established anew, says so for moments,
seconds at worst; to forget all machines gives their addresses away."""

PAUSE_SECONDS: Final = 0.05
"""After each look at least: every review that comes while machines are being listed is a reason for another one."""

_OBSTACLE: Final = "presence"

Serves = Callable[[str], Awaitable[bool]]

_log = structlog.get_logger(__name__)


class KindListener(Protocol):
    """Listens to a kind that may come and go."""

    progress: ViewProgress

    def begin(self) -> None:
        """The kind is there; nothing of it has been listed yet."""
        ...

    def end(self) -> None:
        """The kind is not there any more; `gone` was called for everything."""
        ...


class OptionalKind:
    """One kind, followed for as long as the API server serves it."""

    def __init__(self, plural: str, listener: KindListener, watch: Callable[[str], Watch]) -> None:
        """Follow nothing yet.

        Args:
            plural: the kind as the API spells it, such as virtualmachines.
            listener: of the objects.
            watch: makes what follows the collection of a path for the listener.
        """
        self.plural = plural
        self.path: str | None = None
        """Where it is served; None while it is not."""
        self._listener = listener
        self._make = watch
        self._watch: Watch | None = None
        self._running: asyncio.Task[None] | None = None
        self._ended = asyncio.Event()
        self._denied_at: float | None = None
        """When its own list said for the first time that it is not there; None while nothing speaks for that."""

    @property
    def progress(self) -> ViewProgress:
        """How far the view has come."""
        return self._listener.progress

    @property
    def complete(self) -> bool:
        """Whether everything of it is known."""
        return self.path is not None and self.progress.resource_version > 0 and not self.in_doubt

    @property
    def in_doubt(self) -> bool:
        """Whether it may have been removed: its own list said so once."""
        return self._denied_at is not None

    async def adjust(self, path: str | None, serves: Serves, now: float, keeper: Keeper) -> None:
        """Follow what is served there, or nothing.

        A kind that is followed is left only when its own list has said twice that it is not there; until then all that
        was seen of it stands.

        Args:
            path: where the kind is served, as discovery says; None where that does not know of it.
            serves: whether the collection of a path is there, as that says itself.
            now: seconds on the monotonic clock.
            keeper: has what follows the kind run.

        Raises:
            OutsideError: the API server did not say; nothing has changed.
        """
        if self._watch is None and path is not None:
            self._begin(path, keeper)
        elif self._watch is None or path == self.path or await self._is_served(path, serves):
            self._denied_at = None
        elif self._denied_at is None:
            self._denied_at = now
            _log.info("in doubt whether a kind is still there: what was seen of it stands", kind=self.plural)
        elif now - self._denied_at >= GONE_SECONDS:
            self._denied_at = None
            await self._stop()

    def _begin(self, path: str, keeper: Keeper) -> None:
        self.path = path
        self._listener.begin()
        self._watch = self._make(path)
        self._running = keeper.keep(self.plural, self._watch.run)

    async def _is_served(self, elsewhere: str | None, serves: Serves) -> bool:
        """Whether the kind is there although discovery says something else: in another version, or not at all."""
        watch, path = self._watch, self.path
        if watch is None or path is None:
            return False
        if elsewhere is not None and await serves(elsewhere):
            self.path = elsewhere
            watch.move(elsewhere)
            _log.info("followed in another version", kind=self.plural, path=elsewhere)
            return True
        return await serves(path)

    async def relist(self) -> None:
        """Returns when a list that began after the call is complete, or there is nothing to list."""
        watch, ended = self._watch, self._ended
        if watch is None:
            return
        relisted, gone = asyncio.create_task(watch.relist()), asyncio.create_task(ended.wait())
        try:
            await asyncio.wait({relisted, gone}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (relisted, gone):
                task.cancel()

    async def _stop(self) -> None:
        watch, running = self._watch, self._running
        if watch is None or running is None:
            return
        running.cancel()
        await asyncio.wait({running})  # not the task itself: its being cancelled would pass for ours, and ours for its
        self._watch = self._running = self.path = None
        self._ended.set()
        self._ended = asyncio.Event()
        watch.forget()
        self._listener.end()


class Presence:
    """Looks at what the API server serves, and follows what there is of some kinds."""

    def __init__(self, catalogue: Catalogue, kinds: Sequence[OptionalKind], readiness: Readiness, clock: Clock) -> None:
        self._catalogue = catalogue
        self._kinds = kinds
        self._readiness = readiness
        self._clock = clock
        self._asked = asyncio.Event()
        self._looking: list[asyncio.Future[None]] = []
        self._trouble = False
        readiness.hinder(_OBSTACLE, "it is not known yet whether KubeVirt is installed")

    def look_soon(self) -> None:
        """Somebody has reason to think that something has changed."""
        self._asked.set()

    async def look(self) -> None:
        """Returns when a look that began after the call is complete."""
        done = asyncio.get_running_loop().create_future()
        self._looking.append(done)
        self._asked.set()
        try:
            await done
        finally:
            self._looking = [each for each in self._looking if each is not done]

    async def run(self, keeper: Keeper) -> None:
        """Look again and again until cancelled; what follows the kinds is kept going there."""
        try:
            while True:
                self._asked.clear()
                if not await self._look(keeper):
                    await asyncio.sleep(RETRY_SECONDS)
                    continue
                await asyncio.sleep(PAUSE_SECONDS)
                with contextlib.suppress(TimeoutError):
                    async with asyncio.timeout(POLL_SECONDS):
                        await self._asked.wait()
        except asyncio.CancelledError:  # after a failure the next attempt answers them
            for future in self._looking:
                future.cancel()
            raise

    async def _look(self, keeper: Keeper) -> bool:
        """One look, for those who wait for one that begins now; gives whether it left no question open."""
        waiting = list(self._looking)
        try:
            resources = await self._catalogue.resources()
        except OutsideError as error:
            self._complain(str(error))
            return False
        settled = await self._adjust(resources, keeper)
        for future in waiting:
            if not future.done():
                future.set_result(None)
        return settled

    async def _adjust(self, resources: Mapping[str, str], keeper: Keeper) -> bool:
        """Follow what there is; gives whether that is known of every kind."""
        unanswered = ""
        for kind in self._kinds:
            try:
                await kind.adjust(resources.get(kind.plural), self._catalogue.serves, self._clock.now(), keeper)
            except OutsideError as error:
                unanswered = str(error)
        self._readiness.clear(_OBSTACLE)
        if unanswered:
            self._complain(unanswered)
        else:
            self._trouble = False
        return not unanswered and not any(kind.in_doubt for kind in self._kinds)

    def _complain(self, error: str) -> None:
        if not self._trouble:
            _log.warning("the API server does not say which kinds it serves, asking again", error=error)
        self._trouble = True
