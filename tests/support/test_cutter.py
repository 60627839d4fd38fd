"""The wire that the other tests cut leaves nothing behind: what it left open would be blamed on whoever runs next."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress

import pytest
from tests.support.cutter import Cutter

from devcluster.loopback import HOST


@pytest.fixture
async def silent_port() -> AsyncIterator[int]:
    """Where somebody takes connections and says nothing."""

    async def say_nothing(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            await reader.read()
        writer.close()

    async with await asyncio.start_server(say_nothing, "127.0.0.1", 0) as server:
        yield server.sockets[0].getsockname()[1]


@pytest.mark.parametrize("turns", range(8))
async def test_a_connection_that_is_being_made_when_the_wire_goes_is_closed(silent_port: int, turns: int) -> None:
    async with Cutter((HOST, silent_port)) as cutter:
        reader, writer = await asyncio.open_connection("127.0.0.1", cutter.port)
        while not cutter.connections:  # noqa: ASYNC110 - told by nobody
            await asyncio.sleep(0)
        for _ in range(turns):
            await asyncio.sleep(0)
    async with asyncio.timeout(5):
        with suppress(ConnectionResetError):
            assert await reader.read() == b""
    writer.close()
    with suppress(ConnectionResetError):
        await writer.wait_closed()


async def test_every_connection_that_there_is_hangs_and_later_ones_do_not() -> None:
    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError):
            while piece := await reader.read(100):
                writer.write(piece)
        writer.close()

    async with await asyncio.start_server(echo, "127.0.0.1", 0) as server, Cutter((HOST, _port(server))) as cutter:
        before = [await asyncio.open_connection("127.0.0.1", cutter.port) for _ in range(2)]
        for reader, writer in before:
            writer.write(b"x")
            assert await reader.read(100) == b"x"
        cutter.hang()
        for _, writer in before:
            writer.write(b"y")
        later = await asyncio.open_connection("127.0.0.1", cutter.port)
        later[1].write(b"z")
        assert await later[0].read(100) == b"z"
        await cutter.cut()
        for reader, writer in (*before, later):
            with suppress(ConnectionResetError):
                assert await reader.read() == b"", "nothing of what was sent while it hung"
            writer.close()
            with suppress(ConnectionResetError):
                await writer.wait_closed()


def _port(server: asyncio.Server) -> int:
    port: int = server.sockets[0].getsockname()[1]
    return port
