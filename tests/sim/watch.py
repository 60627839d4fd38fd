"""One watch of the simulated API server."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

import msgspec
from tests.sim.loop import Process
from tests.sim.store import ApiError, Change, Object, Selection, Store

BEFORE_THE_END: Final = 2.0
"""Seconds before its end at which a watch gets its last bookmark."""


class WatchParameters(NamedTuple):
    """What is asked of a watch.

    Attributes:
        selection: which objects.
        since: after which resourceVersion.
        seconds: for how long.
        bookmark_seconds: how often a bookmark; None for no bookmarks.
    """

    selection: Selection
    since: int
    seconds: float
    bookmark_seconds: float | None


class Watch:
    """Sends events in the order of their versions; each takes its time on the way.

    Attributes:
        arrived: lines that have come through, then None at an orderly end, or what broke the connection.
    """

    def __init__(
        self,
        store: Store,
        parameters: WatchParameters,
        show: Callable[[Object], Object],
        carry: Callable[[float], Awaitable[None]],
    ) -> None:
        """Ask for a watch; nothing is sent before `start`.

        Args:
            store: what is watched.
            parameters: what is asked for.
            show: an object as it is sent.
            carry: returns when what was sent at a moment has arrived.
        """
        self.arrived: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self._store = store
        self._parameters = parameters
        self._show = show
        self._carry = carry
        self._sent: asyncio.Queue[tuple[float, bytes | None]] = asyncio.Queue()
        self._running: asyncio.Task[None] | None = None
        self._loop = asyncio.get_running_loop()
        self._closed: Callable[[], None] = _nothing

    def start(self, process: Process, closed: Callable[[], None]) -> None:
        """Begin, as a task of the API server's; `closed` is called at the end, whatever brings it about."""
        self._closed = closed
        now = self._loop.time()
        try:
            past = self._store.since(self._parameters.since)
        except ApiError as error:
            self._send("ERROR", msgspec.json.decode(error.body))
            self._sent.put_nowait((now, None))
        else:
            for change in past:
                self._hear(change)
            self._store.watching.append(self._hear)
        self._running = self._loop.create_task(self._run(), context=process.context)

    def close(self) -> None:
        """Nobody listens any more."""
        if self._running is not None and not self._running.done():
            self._running.cancel()
        self._end()

    def cut(self, error: Exception | None) -> None:
        """The connection breaks, or ends in good order; what is on its way is lost."""
        self.close()
        self.arrived.put_nowait(error)

    def _end(self) -> None:
        if self._hear in self._store.watching:
            self._store.watching.remove(self._hear)
        closed, self._closed = self._closed, _nothing
        closed()

    async def _run(self) -> None:
        loop = self._loop
        end = loop.time() + self._parameters.seconds
        while True:
            tick = self._next_tick(loop.time(), end)
            try:
                async with asyncio.timeout_at(tick):
                    sent, line = await self._sent.get()
            except TimeoutError:
                if loop.time() >= end:
                    self._sent.put_nowait((loop.time(), None))
                elif self._store.version > self._parameters.since:
                    self._send("BOOKMARK", {"metadata": {"resourceVersion": str(self._store.version)}})
                continue
            await self._carry(sent)
            self.arrived.put_nowait(line)
            if line is None:
                self._end()
                return

    def _next_tick(self, now: float, end: float) -> float:
        """When the next bookmark is due, or the end. A bookmark is left out while there is nothing new to tell."""
        if self._parameters.bookmark_seconds is None:
            return end
        last = end - BEFORE_THE_END
        regular = now + self._parameters.bookmark_seconds
        if last > now:
            return min(regular, last)
        return min(regular, end)

    def _hear(self, change: Change) -> None:
        if change.version <= self._parameters.since:
            return  # asked for from a future that was lost
        event = self._parameters.selection.event(change)
        if event is not None:
            self._send(event[0], self._show(event[1]))

    def _send(self, kind: str, content: Object) -> None:
        line = msgspec.json.encode({"type": kind, "object": content}) + b"\n"
        self._sent.put_nowait((self._loop.time(), line))


def _nothing() -> None:
    """Nobody wants to know of the end."""
