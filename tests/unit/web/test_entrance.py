"""A coroutine that has begun before anybody awaits it."""

import asyncio

import pytest

from kubemacpool.web.entrance import begun


async def test_what_has_begun_goes_on_when_it_is_awaited() -> None:
    steps: list[str] = []
    gate = asyncio.Event()

    async def walk() -> str:
        steps.append("first")
        await gate.wait()
        await asyncio.sleep(0)
        steps.append("last")
        return "there"

    walking = begun(walk())
    assert steps == ["first"]
    asyncio.get_running_loop().call_soon(gate.set)
    assert await walking == "there"
    assert steps == ["first", "last"]


async def test_its_failure_reaches_whoever_awaits_it() -> None:
    async def fall() -> None:
        await asyncio.sleep(0)
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError, match="gone"):
        await begun(fall())


async def test_it_is_told_that_it_was_cancelled() -> None:
    told: list[bool] = []

    async def wait() -> None:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            told.append(True)
            raise

    async def whoever_awaits() -> None:
        await waiting

    waiting = begun(wait())
    task = asyncio.create_task(whoever_awaits())
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert told == [True]
