"""Every task that goes on has one who watches it."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from structlog.testing import capture_logs
from tests.unit.doubles import KeptMeasures, ManualClock

from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Importance
from kubemacpool.supervision import FIRST_DELAY, HEALTHY_SECONDS, LONGEST_DELAY, MOST_FAILURES, Supervisor


class Work:
    """Something that fails as often as it is told to, and then goes on until it is let go."""

    def __init__(self, clock: ManualClock, failures: int, *, error: BaseException | None = None) -> None:
        self.begun = 0
        self.runs_for = 0.0
        self.end = asyncio.Event()
        self._clock = clock
        self._failures = failures
        self._error = error or ValueError("two\nlines")

    async def __call__(self) -> None:
        """Fails, or goes on."""
        self.begun += 1
        await asyncio.sleep(0)
        self._clock.advance(self.runs_for)
        if self.begun <= self._failures:
            raise self._error
        await self.end.wait()


class Scene:
    """A supervisor whose delays take no time."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.clock = ManualClock()
        self.readiness = Readiness()
        self.measures = KeptMeasures()
        self.delays: list[float] = []
        self.hindered: list[tuple[str, ...]] = []
        """What stood in the way during each delay."""
        self.supervisor = Supervisor(
            tasks, self.readiness, self.measures, now=self.clock.now, sleep=self._sleep, draw=lambda: 1.0
        )

    async def _sleep(self, seconds: float) -> None:
        self.delays.append(seconds)
        self.hindered.append(self.readiness.obstacles)
        await asyncio.sleep(0)

    async def watch(
        self, work: Callable[[], Awaitable[None]], importance: Importance = Importance.NEEDED
    ) -> "asyncio.Task[None]":
        """Keep it going for a while."""
        task = self.supervisor.keep("work", work, importance)
        for _ in range(400):
            await asyncio.sleep(0)
        return task

    def given_up(self) -> "asyncio.Task[str]":
        """Waits for the reason to end."""
        return asyncio.create_task(self.supervisor.given_up())


@asynccontextmanager
async def _scene() -> AsyncIterator[Scene]:
    async with asyncio.TaskGroup() as tasks:
        stop = tasks.create_task(asyncio.Event().wait())
        scene = Scene(tasks)
        try:
            with capture_logs():
                yield scene
        finally:
            for task in tasks._tasks:
                task.cancel()
        del stop


async def test_a_task_that_fails_is_started_again_and_counted() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 2)
        task = await scene.watch(work)
        assert work.begun == 3
        assert not task.done()
        assert scene.measures.restarts == ["work", "work"]


async def test_a_failure_is_logged_with_its_traceback() -> None:
    async with _scene() as scene:
        with capture_logs() as logs:
            await scene.watch(Work(scene.clock, 1))
        (line,) = logs
        assert isinstance(line.pop("exc_info"), ValueError)
        assert line == {"event": "a task failed", "log_level": "error", "task": "work", "failures": 1}


async def test_this_replica_is_not_ready_while_a_task_that_is_needed_is_down() -> None:
    async with _scene() as scene:
        await scene.watch(Work(scene.clock, 1))
        assert scene.hindered == [("the task work has failed: ValueError: two",)]
        assert scene.readiness.obstacles == ()


async def test_a_task_that_is_only_useful_hinders_nobody_and_is_started_again_for_ever() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 3 * MOST_FAILURES)
        waiting = scene.given_up()
        await scene.watch(work, Importance.USEFUL)
        assert work.begun == 3 * MOST_FAILURES + 1
        assert set(scene.hindered) == {()}
        assert not waiting.done()
        waiting.cancel()


async def test_delays_grow_up_to_a_bound_and_are_short_again_after_a_long_run() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, MOST_FAILURES + 5)
        await scene.watch(work, Importance.USEFUL)
        assert scene.delays[:3] == [FIRST_DELAY, 2 * FIRST_DELAY, 4 * FIRST_DELAY]
        assert max(scene.delays) == LONGEST_DELAY
        patient = Work(scene.clock, 3)
        patient.runs_for = HEALTHY_SECONDS
        scene.delays.clear()
        await scene.watch(patient)
        assert scene.delays == [FIRST_DELAY] * 3


async def test_a_task_that_is_needed_and_fails_again_and_again_makes_the_replica_end_and_stay_unready() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 1000)
        waiting = scene.given_up()
        task = await scene.watch(work)
        assert work.begun == MOST_FAILURES
        assert task.done()
        assert await waiting == f"the task work has failed ({MOST_FAILURES} in a row): ValueError: two"
        assert scene.readiness.obstacles != ()


async def test_failures_far_apart_are_not_in_a_row() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 3 * MOST_FAILURES)
        work.runs_for = HEALTHY_SECONDS
        waiting = scene.given_up()
        task = await scene.watch(work)
        assert not task.done()
        assert not waiting.done()
        waiting.cancel()


async def test_a_vital_task_is_not_started_again() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 1)
        waiting = scene.given_up()
        await scene.watch(work, Importance.VITAL)
        assert work.begun == 1
        assert scene.measures.restarts == []
        assert "(1 in a row)" in await waiting


async def test_the_first_reason_to_end_is_the_one_that_is_told() -> None:
    async with _scene() as scene:
        await scene.watch(Work(scene.clock, 1, error=ValueError("first")), Importance.VITAL)
        await scene.watch(Work(scene.clock, 1, error=ValueError("second")), Importance.VITAL)
        assert "first" in await scene.supervisor.given_up()


async def test_a_task_that_returns_has_ended() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 0)
        work.end.set()
        task = await scene.watch(work)
        assert task.done()
        assert scene.measures.restarts == []


async def test_a_cancellation_from_within_is_a_failure_and_not_the_end() -> None:
    async with _scene() as scene:
        work = Work(scene.clock, 1, error=asyncio.CancelledError())
        task = await scene.watch(work)
        assert work.begun == 2
        assert not task.done()


async def test_a_task_that_is_cancelled_ends_and_leaves_no_obstacle() -> None:
    async with _scene() as scene:
        task = await scene.watch(Work(scene.clock, 0))
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert scene.measures.restarts == []
        assert scene.readiness.obstacles == ()


async def test_a_task_that_is_cancelled_while_it_is_down_leaves_no_obstacle() -> None:
    async with asyncio.TaskGroup() as tasks:
        readiness, clock = Readiness(), ManualClock()
        asleep = asyncio.Event()

        async def sleep(_: float) -> None:
            asleep.set()
            await asyncio.Event().wait()

        supervisor = Supervisor(tasks, readiness, KeptMeasures(), sleep=sleep)
        with capture_logs():
            task = supervisor.keep("work", Work(clock, 1))
            await asleep.wait()
        assert readiness.obstacles != ()
        task.cancel()
        await asyncio.wait({task})
        assert readiness.obstacles == ()
