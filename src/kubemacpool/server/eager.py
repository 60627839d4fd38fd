"""Running a coroutine up to where it first waits, without a task; most answers are there by then."""

import asyncio
import types
from asyncio.tasks import _enter_task, _leave_task
from collections.abc import Awaitable, Coroutine, Generator
from typing import Any, Generic, TypeVar, cast

ResultT = TypeVar("ResultT")


def begun(coroutine: Coroutine[object, object, ResultT]) -> Awaitable[ResultT]:
    """Run a coroutine up to where it first waits; whoever awaits the result runs the rest.

    A task does so with `eager_start`, which Python has from 3.12 on.
    """
    waited_for = coroutine.send(None)

    @types.coroutine
    def rest() -> Generator[object, object, ResultT]:
        pending = waited_for
        try:
            while True:
                try:
                    woken_with = yield pending
                except BaseException as error:  # noqa: BLE001 (cancelled: the coroutine is to know)
                    pending = coroutine.throw(error)
                else:
                    pending = coroutine.send(woken_with)
        except StopIteration as end:
            return cast("ResultT", end.value)

    return rest()


class Done(Generic[ResultT]):
    """A coroutine that never waited, and what it gave."""

    __slots__ = ("result",)

    def __init__(self, result: ResultT) -> None:
        self.result = result


def run(
    coroutine: Coroutine[object, object, ResultT], loop: asyncio.AbstractEventLoop
) -> Done[ResultT] | asyncio.Task[ResultT]:
    """What a coroutine gives if it never waits, or else the task that goes on with it; for callbacks of the loop.

    Whatever asks for the current task before the first wait (`asyncio.timeout`) is shown one that stands in for it.
    """
    stand_in = _StandIn()
    stand_in_task: asyncio.Task[object] = stand_in  # type: ignore[assignment]  # as far as anybody looks at it
    _enter_task(loop, stand_in_task)
    try:
        waited_for = coroutine.send(None)
    except StopIteration as end:
        return Done(end.value)
    finally:
        _leave_task(loop, stand_in_task)
    task: asyncio.Task[ResultT] = loop.create_task(_Rest(coroutine, waited_for))
    stand_in.task = task
    return task


class _StandIn:
    """The task that there will be if the coroutine waits."""

    __slots__ = ("__weakref__", "task")

    def __init__(self) -> None:
        self.task: asyncio.Task[object] | None = None

    def cancel(self, msg: object = None) -> bool:
        return self.task is not None and self.task.cancel(msg)

    def cancelling(self) -> int:
        return 0 if self.task is None else self.task.cancelling()

    def uncancel(self) -> int:
        return 0 if self.task is None else self.task.uncancel()


class _Rest(Coroutine[object, object, ResultT]):
    """What is left of a coroutine that has begun; one that is cancelled first is told."""

    def __init__(self, coroutine: Coroutine[object, object, ResultT], waited_for: object) -> None:
        self._coroutine = coroutine
        self._first: list[object] = [waited_for]

    def send(self, value: object) -> object:
        return self._first.pop() if self._first else self._coroutine.send(value)

    def throw(self, *error: Any) -> object:  # noqa: ANN401 (one argument or three, as it is called)
        self._first.clear()
        return self._coroutine.throw(*error)

    def close(self) -> None:
        self._coroutine.close()

    def __await__(self) -> Generator[object, object, ResultT]:
        return self._coroutine.__await__()
