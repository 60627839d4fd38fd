"""Waiting for a while, or until something has changed."""

import asyncio
import contextlib


class Bell:
    """Wakes the one who works, and with every change all those who wait for one."""

    def __init__(self) -> None:
        self._rung = asyncio.Event()
        self._changed = asyncio.Event()

    def ring(self) -> None:
        """There is work; rung before anybody sleeps, it is heard all the same."""
        self._rung.set()

    def tell(self) -> None:
        """Something has changed: everybody looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
        self.ring()

    def silence(self) -> None:
        """The one who works has looked: what was rung before is done with."""
        self._rung.clear()

    async def sleep(self, seconds: float) -> None:
        """Returns after so many seconds, or when the bell is rung."""
        await _wait(self._rung, seconds)

    async def until_changed(self, seconds: float) -> None:
        """Returns after so many seconds, or when something has changed."""
        await _wait(self._changed, seconds)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await event.wait()
