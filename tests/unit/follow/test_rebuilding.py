"""What may be torn is forgotten at once, and listed afresh until nothing fails."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import ManualClock

from kubemacpool.follow.readiness import Readiness
from kubemacpool.follow.set_aside import FIRST_DELAY, QUIET_SECONDS, Rebuilder


class Scene:
    """A rebuilder, and lists that are complete when they are let go."""

    def __init__(self) -> None:
        self.clock = ManualClock()
        self.readiness = Readiness()
        self.forgotten = 0
        self.forgetting_fails = 0
        self.lists = 0
        self.delays: list[float] = []
        self.let_go = asyncio.Event()
        self.during_list: Callable[[], object] = lambda: None
        self.rebuilder = Rebuilder(
            self._forget,
            lambda: [self._relist],
            self.readiness,
            now=self.clock.now,
            sleep=self._sleep,
            draw=lambda: 1.0,
        )

    def hindered(self) -> bool:
        """Whether something keeps this replica from leading."""
        return bool(self.readiness.obstacles)

    def _forget(self) -> None:
        if self.forgetting_fails:
            self.forgetting_fails -= 1
            raise ValueError("nobody foresaw this")
        self.forgotten += 1

    def _relist(self) -> Awaitable[None]:
        return self._list()

    async def _list(self) -> None:
        self.lists += 1
        await self.let_go.wait()
        self.during_list()

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        await asyncio.sleep(0)


@asynccontextmanager
async def _running() -> AsyncIterator[Scene]:
    scene = Scene()
    running = asyncio.create_task(scene.rebuilder.run())
    with capture_logs():
        yield scene
    running.cancel()
    await asyncio.wait({running})


async def _a_moment() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_it_is_forgotten_at_once_and_not_ready_before_all_is_told_again() -> None:
    async with _running() as scene:
        assert scene.rebuilder.tear()
        assert scene.forgotten == 1
        assert scene.hindered()
        await _a_moment()
        assert scene.lists == 1
        assert scene.hindered()
        scene.let_go.set()
        await _a_moment()
        assert not scene.hindered()
        assert scene.delays == []


async def test_what_fails_meanwhile_needs_another_list_but_no_rebuild_more() -> None:
    async with _running() as scene:
        told = iter((scene.rebuilder.tear, scene.rebuilder.tear))
        again: list[object] = []
        scene.during_list = lambda: again.append(next(told, lambda: None)())
        scene.let_go.set()
        scene.rebuilder.tear()
        await _a_moment()
        assert again == [False, False, None]
        assert scene.lists == 3
        assert scene.delays == [FIRST_DELAY, 2 * FIRST_DELAY]
        assert not scene.hindered()


async def test_after_a_quiet_while_the_next_one_is_mended_at_once() -> None:
    async with _running() as scene:
        scene.let_go.set()
        for _ in range(2):
            assert scene.rebuilder.tear()
            await _a_moment()
            scene.clock.advance(QUIET_SECONDS)
        assert scene.delays == []


async def test_a_fault_while_forgetting_is_tried_again() -> None:
    async with _running() as scene:
        scene.let_go.set()
        scene.forgetting_fails = 1
        scene.rebuilder.tear()
        assert scene.forgotten == 0
        await _a_moment()
        assert scene.forgotten == 1
        assert not scene.hindered()


async def test_a_fault_while_it_goes_on_is_left_to_whoever_runs_it_again() -> None:
    scene = Scene()
    scene.let_go.set()
    scene.forgetting_fails = 2
    with capture_logs():
        scene.rebuilder.tear()
        with pytest.raises(ValueError, match="nobody foresaw this"):
            await scene.rebuilder.run()
        assert scene.hindered()
        running = asyncio.create_task(scene.rebuilder.run())
        await _a_moment()
        assert not scene.hindered()
        running.cancel()
        await asyncio.wait({running})
