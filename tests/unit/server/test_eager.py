"""An answer without a task, unless it has to wait."""

import asyncio

import pytest

from kubemacpool.server.eager import Done, run


@pytest.fixture
def loop() -> asyncio.AbstractEventLoop:
    """One that no task is running on, as in a callback."""
    return asyncio.new_event_loop()


def test_what_never_waits_needs_no_task(loop: asyncio.AbstractEventLoop) -> None:
    async def answer() -> str:
        return "there"

    given = run(answer(), loop)
    assert isinstance(given, Done)
    assert given.result == "there"
    loop.close()


def test_what_fails_before_it_waits_says_so_at_once(loop: asyncio.AbstractEventLoop) -> None:
    async def fall() -> None:
        raise KeyError("x")

    with pytest.raises(KeyError, match="x"):
        run(fall(), loop)
    loop.close()


def test_who_is_cancelled_before_its_task_has_begun_is_told(loop: asyncio.AbstractEventLoop) -> None:
    told: list[bool] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(True)
            raise

    def begin() -> None:
        task = run(wait(), loop)
        assert isinstance(task, asyncio.Task)
        task.add_done_callback(lambda _: loop.stop())
        task.cancel()

    loop.call_soon(begin)
    loop.run_forever()
    assert told == [True]
    loop.close()
