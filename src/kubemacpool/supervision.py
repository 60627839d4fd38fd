"""Every task that goes on for as long as the process lives has one who watches it.

::

    running ──fails──> hindering, waiting longer each time ──> running
       │                        │
       │ returns, is cancelled  │ vital; or needed, and failed too often in a row
       v                        v
     ended                   given up: the replica releases the Lease and ends, saying why

Only what was foreseen is handled where it arises; a failure that comes here is a fault of ours, so it is logged with
its traceback, counted, and survived.
"""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from kubemacpool.follow.readiness import Readiness
from kubemacpool.pacing import Backoff
from kubemacpool.ports import Importance, Measures

MOST_FAILURES: Final = 8
"""In a row, of a task that is needed. With the delays below that is about half a minute, in which whatever it stumbled
over has come by several times: a new process, which knows nothing of what this one knows, is the better attempt."""

FIRST_DELAY: Final = 0.1
LONGEST_DELAY: Final = 10.0
"""Seconds until a task is started again."""

HEALTHY_SECONDS: Final = 60.0
"""A task that has run for so long has recovered: its next failure is the first one again."""

_log = structlog.get_logger(__name__)


class StrayCancellationError(Exception):
    """Something inside a task was cancelled, and the task was not: it would have ended without a word."""


class Supervisor:
    """Keeps tasks going (implements `Keeper`).

    Args:
        tasks: where they run; cancelled with it.
        readiness: hindered while a task that is needed is down.
        measures: counts every restart.
        now: monotonic seconds.
        sleep: how to wait.
        draw: a random number between 0 and 1.
    """

    def __init__(
        self,
        tasks: asyncio.TaskGroup,
        readiness: Readiness,
        measures: Measures,
        *,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._tasks = tasks
        self._readiness = readiness
        self._measures = measures
        self._now = now
        self._sleep = sleep
        self._draw = draw
        self._given_up = asyncio.Event()
        self._reason = ""

    def keep(
        self, name: str, work: Callable[[], Awaitable[None]], importance: Importance = Importance.NEEDED
    ) -> asyncio.Task[None]:
        """Do this until it returns, as `Keeper` has it."""
        return self._tasks.create_task(self._keep(name, work, importance), name=name)

    async def given_up(self) -> str:
        """Returns when this replica had better end, with the reason."""
        await self._given_up.wait()
        return self._reason

    async def _keep(self, name: str, work: Callable[[], Awaitable[None]], importance: Importance) -> None:
        obstacle = f"task {name}"
        backoff = Backoff(FIRST_DELAY, LONGEST_DELAY)
        failures = 0
        try:
            while True:
                began = self._now()
                failure = await _failure_of(work)
                if failure is None:
                    return
                if self._now() - began >= HEALTHY_SECONDS:
                    backoff.succeeded()
                    failures = 0
                failures += 1
                _log.error("a task failed", task=name, failures=failures, exc_info=failure)
                if importance is not Importance.USEFUL:
                    self._readiness.hinder(obstacle, f"the task {name} has failed: {_text(failure)}")
                if importance is Importance.VITAL or (importance is Importance.NEEDED and failures >= MOST_FAILURES):
                    self._give_up(f"the task {name} has failed ({failures} in a row): {_text(failure)}")
                    return
                self._measures.task_restarted(name)
                await self._sleep(backoff.next_delay(self._draw()))
                self._readiness.clear(obstacle)
        except asyncio.CancelledError:
            self._readiness.clear(obstacle)
            raise

    def _give_up(self, reason: str) -> None:
        """The first reason is the one that is reported."""
        self._reason = self._reason or reason
        self._given_up.set()


async def _failure_of(work: Callable[[], Awaitable[None]]) -> Exception | None:
    """Do it once; gives why it failed, or None where it has returned."""
    task = asyncio.current_task()
    try:
        await work()
    except asyncio.CancelledError as error:
        if task is None or task.cancelling():
            raise
        stray = StrayCancellationError("something that it waited for was cancelled")
        stray.__cause__ = error
        return stray
    except Exception as error:  # noqa: BLE001 (whatever it is: that is what this module is for)
        return error
    return None


def _text(failure: Exception) -> str:
    """A failure in one line."""
    return f"{type(failure).__name__}: {failure}".partition("\n")[0][:300]
