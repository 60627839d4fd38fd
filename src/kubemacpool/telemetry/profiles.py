"""Where time and memory go, found out while the replica serves; one profile at a time, since each slows it down."""

import asyncio
import gc
import tracemalloc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

from kubemacpool.memory import resident_bytes

SAMPLE_SECONDS: Final = 0.005
"""Between two looks at the stack: 12,000 in the longest profile, some megabytes."""

SPEEDSCOPE: Final = "speedscope"

MOST_TRACES: Final = 64 * 1024 * 1024
"""Bytes that keeping account of memory may take itself, as much as all bodies of requests; it ends early at that."""

LOOK_SECONDS: Final = 0.1
"""Between two looks at what it takes."""

MOST_LINES: Final = 40
"""Of code, by the memory that they have allocated."""


class Profiles:
    """Takes profiles of the thread of the event loop."""

    def __init__(self) -> None:
        self._under_way = False

    async def cpu(self, seconds: float, form: str) -> str:
        """What the event loop did in this time, by call stack.

        Args:
            seconds: for how long.
            form: `speedscope` for JSON that speedscope.app shows; anything else for a tree in text.

        Raises:
            ValueError: there is another profile under way.
        """
        from pyinstrument import Profiler  # noqa: PLC0415 (a replica that is never asked does without it)
        from pyinstrument.renderers import ConsoleRenderer, SpeedscopeRenderer  # noqa: PLC0415 (same)

        with self._alone():
            profiler = Profiler(interval=SAMPLE_SECONDS, async_mode="disabled")
            profiler.start()
            try:
                await asyncio.sleep(seconds)
            finally:
                session = profiler.stop()
            renderer = SpeedscopeRenderer() if form == SPEEDSCOPE else ConsoleRenderer(show_all=True, timeline=False)
            return await asyncio.to_thread(renderer.render, session)

    async def memory(self, seconds: float) -> str:
        """What was allocated in this time and is there still, by line of code.

        Raises:
            ValueError: there is another profile under way.
        """
        with self._alone():
            tracemalloc.start(1)
            try:
                taken = await _account(seconds)
                snapshot = await asyncio.to_thread(tracemalloc.take_snapshot)
            finally:
                tracemalloc.stop()
            return await asyncio.to_thread(_told, snapshot, taken)

    @contextmanager
    def _alone(self) -> Iterator[None]:
        if self._under_way:
            raise ValueError("another profile is being taken of this replica; ask again when it is done")
        self._under_way = True
        try:
            yield
        finally:
            self._under_way = False


async def _account(seconds: float) -> float:
    """Let time pass, and say how much: less where keeping account takes too much memory."""
    clock = asyncio.get_running_loop().time
    begun = clock()
    while (left := begun + seconds - clock()) > 0 and tracemalloc.get_tracemalloc_memory() <= MOST_TRACES:  # noqa: ASYNC110 (memory sets no event)
        await asyncio.sleep(min(left, LOOK_SECONDS))
    return clock() - begun


def _told(snapshot: tracemalloc.Snapshot, seconds: float) -> str:
    found = snapshot.statistics("lineno")
    lines = [
        f"resident: {resident_bytes() // 1024} KiB; objects that the collector follows: {len(gc.get_objects())}",
        f"allocated in {seconds:.3g} s and not freed: {sum(each.size for each in found)} bytes, by line:",
        *(f"{each.size:>12} bytes {each.count:>8} blocks  {each.traceback[0]}" for each in found[:MOST_LINES]),
    ]
    return "\n".join(lines)
