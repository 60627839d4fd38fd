"""An event loop whose time is simulated: it jumps to the next timer as soon as nothing is left to do.

A run of minutes takes milliseconds, and the same run again takes the same course. Processes are told apart by a context
variable that their tasks inherit, so that one of them can be paused or crash while the others go on.
"""

import asyncio
import heapq
from collections.abc import Callable, Coroutine
from contextvars import Context, ContextVar, copy_context
from typing import Any, Final, TypeVar

ResultT = TypeVar("ResultT")

MOST_TURNS: Final = 20_000
"""Turns of the loop without time's passing. Far more than any work here takes: somebody waits without waiting."""


class Process:
    """Whatever runs together, and stops together. Its callbacks wait while it is paused.

    Attributes:
        name: for people.
        context: in which its tasks have to be created.
    """

    def __init__(self, name: str) -> None:
        self.name = name
        self.context: Context = copy_context()
        self.context.run(_process.set, self)
        self._parked: list[asyncio.Handle] | None = None

    @property
    def paused(self) -> bool:
        """Whether its callbacks wait."""
        return self._parked is not None

    def pause(self) -> None:
        """From now on its callbacks wait (SIGSTOP)."""
        if self._parked is None:
            self._parked = []

    def resume(self, loop: "SimulatedLoop", *, timers_first: bool = False) -> None:
        """What has waited runs now: in the order in which it was due, or that of the timers before the rest."""
        parked, self._parked = self._parked or [], None
        if timers_first:
            parked.sort(key=lambda handle: not isinstance(handle, asyncio.TimerHandle))
        loop.run_soon(parked)

    def park(self, handle: asyncio.Handle) -> bool:
        """Keeps a callback back, if the process is paused."""
        if self._parked is None:
            return False
        self._parked.append(handle)
        return True


_process: ContextVar[Process | None] = ContextVar("process", default=None)


class SimulatedLoop(asyncio.BaseEventLoop):
    """Runs callbacks as asyncio does; its time passes only in jumps.

    Attributes:
        faults: what no task and no callback has dealt with.
    """

    _ready: "Any"
    _scheduled: list[asyncio.TimerHandle]

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self._now = 1_000.0
        self._turns = 0
        self._alive: set[asyncio.Task[Any]] = set()
        self.set_exception_handler(self._keep_fault)

    def time(self) -> float:
        """Seconds."""
        return self._now

    def run(self, seconds: float) -> None:
        """Let so much time pass."""
        self.run_until_complete(asyncio.sleep(seconds))

    def run_until(self, condition: Callable[[], object], *, within: float, every: float = 0.5) -> bool:
        """Let time pass until the condition holds; gives whether it came to hold."""
        end = self._now + within
        while not condition():
            if self._now >= end:
                return False
            self.run(every)
        return True

    def spawn(self, process: Process, work: Coroutine[Any, Any, ResultT]) -> "asyncio.Task[ResultT]":
        """A task that belongs to a process, whoever asks for it."""
        return self.create_task(work, context=process.context)

    def create_task(self, *arguments: Any, **reserved: Any) -> "asyncio.Task[Any]":  # noqa: ANN401 (as the base has them)
        """A task, which lives until it is done: what waits for an answer that was lost is waited for by nobody."""
        task = super().create_task(*arguments, **reserved)
        self._alive.add(task)
        task.add_done_callback(self._alive.discard)
        return task

    def run_soon(self, handles: list[asyncio.Handle]) -> None:
        """Put callbacks that were due before behind those that are due now."""
        self._ready.extend(handles)

    def finish(self) -> None:
        """Cancel whatever still runs, and close."""
        for _ in range(100):
            tasks = asyncio.all_tasks(self)
            if not tasks:
                break
            for task in tasks:
                task.cancel()
            self.run_until_complete(asyncio.wait(tasks, timeout=1.0))
        self.run_until_complete(self.shutdown_asyncgens())
        self.close()

    def _run_once(self) -> None:
        """One turn, as `BaseEventLoop._run_once` has it, without a selector."""
        while self._scheduled and self._scheduled[0].cancelled():
            heapq.heappop(self._scheduled)
        if not self._ready and not self._stopping:  # type: ignore[attr-defined]
            if not self._scheduled:
                raise RuntimeError("nothing will ever happen again")
            if self._scheduled[0].when() > self._now:
                self._now, self._turns = self._scheduled[0].when(), 0
        self._turns += 1
        if self._turns > MOST_TURNS:
            raise RuntimeError("the loop turns and turns, and no time passes")
        while self._scheduled and self._scheduled[0].when() <= self._now:
            self._ready.append(heapq.heappop(self._scheduled))
        for _ in range(len(self._ready)):
            handle = self._ready.popleft()
            process = handle._context.get(_process)
            if not handle.cancelled() and (process is None or not process.park(handle)):
                handle._run()

    def _keep_fault(self, _: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
        error = context.get("exception")
        self.faults.append(f"{context['message']}: {error!r}")
