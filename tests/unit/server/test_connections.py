"""A coroutine that has begun before anybody awaits it."""

import asyncio
import ssl
from unittest.mock import Mock

import pytest

from kubemacpool.server.connections import Connection
from kubemacpool.server.crowd import Crowd
from kubemacpool.server.eager import begun
from kubemacpool.server.entrance import Entrance


async def test_a_handshake_that_cannot_even_begin_takes_no_slot() -> None:
    crowd = Crowd(10, asyncio.get_running_loop().time)
    transport = Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = ("127.0.0.1", 1)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with pytest.raises(TypeError, match="not supported by start_tls"):
        Entrance(crowd, context, Mock(spec=Connection)).connection_made(transport)
    assert len(crowd) == 0


async def test_a_handshake_that_fails_for_a_reason_of_ours_takes_no_slot(monkeypatch: pytest.MonkeyPatch) -> None:
    loop = asyncio.get_running_loop()
    complaints: list[object] = []
    loop.set_exception_handler(lambda _, context: complaints.append(context["exception"]))

    async def start_tls(*_: object, **__: object) -> None:
        await asyncio.sleep(0)
        raise RuntimeError("the handler is closed")

    monkeypatch.setattr(loop, "start_tls", start_tls)
    crowd = Crowd(10, loop.time)
    transport = Mock(spec=asyncio.Transport)
    transport.get_extra_info.return_value = None
    Entrance(crowd, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Mock(spec=Connection)).connection_made(transport)
    assert len(crowd) == 1
    for _ in range(5):
        await asyncio.sleep(0)
    assert len(crowd) == 0


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
