"""The forwarder fails where kube-proxy fails, and nowhere else."""

from __future__ import annotations

import asyncio
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING

import pytest
import uvloop

from devcluster.errors import SettingError
from devcluster.forwarder import Forwarder

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

ADDRESS = "127.0.0.1"
MEGABYTE = 1 << 20


@pytest.fixture(params=["asyncio", "uvloop"])
def run(request: pytest.FixtureRequest) -> Callable[[Awaitable[None]], None]:
    """Run on the loop of the tests and on the one of the supervisor, which differ in when they deliver bytes."""
    factory = asyncio.new_event_loop if request.param == "asyncio" else uvloop.new_event_loop

    def on_loop(test: Awaitable[None]) -> None:
        async def whole() -> None:
            await test

        with asyncio.Runner(loop_factory=factory) as runner:
            runner.run(whole())

    return on_loop


@asynccontextmanager
async def backend(name: bytes) -> AsyncIterator[int]:
    """A server that says its name, then what it hears, and ends when its client has."""

    async def echo(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            writer.write(name)
            while data := await reader.read(65536):
                writer.write(data)
                await writer.drain()
            writer.write(b"end")
        await hang_up(writer)

    server = await asyncio.start_server(echo, ADDRESS, 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()


@asynccontextmanager
async def forwarder(*backends: int) -> AsyncIterator[Forwarder]:
    """A forwarder on a free port."""
    probe = await asyncio.start_server(lambda _reader, writer: writer.close(), ADDRESS, 0)
    port = probe.sockets[0].getsockname()[1]
    probe.close()
    await probe.wait_closed()
    made = Forwarder("example", ADDRESS, port)
    await made.set_backends([(ADDRESS, backend) for backend in backends])
    try:
        yield made
    finally:
        await made.close()


async def talk(to: Forwarder, said: bytes) -> bytes:
    """Say something, hang up, and return the whole answer."""
    reader, writer = await asyncio.open_connection(to.address, to.port)
    # Written at once, so that the forwarder hears it before it has a backend.
    writer.write(said)
    writer.write_eof()
    try:
        return await asyncio.wait_for(reader.read(), 10)
    finally:
        await hang_up(writer)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    """Close a connection, in whatever state it is."""
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


def test_bytes_pass_both_ways_whole_and_in_order(run: Callable[[Awaitable[None]], None]) -> None:
    """Also many of them, and after the client has closed its side."""

    async def test() -> None:
        said = bytes(range(256)) * (4 * MEGABYTE // 256)
        async with backend(b"a") as port, forwarder(port) as service:
            assert await talk(service, b"") == b"aend"
            for _ in range(20):
                assert await talk(service, b"hello") == b"ahelloend"
            assert await talk(service, said) == b"a" + said + b"end"

    run(test())


def test_every_ready_backend_is_picked_and_no_other(run: Callable[[Awaitable[None]], None]) -> None:
    async def test() -> None:
        async with backend(b"a") as first, backend(b"b") as second, forwarder(first, second) as service:
            assert {await talk(service, b"") for _ in range(60)} == {b"aend", b"bend"}
            await service.set_backends([(ADDRESS, second)])
            assert {await talk(service, b"") for _ in range(20)} == {b"bend"}

    run(test())


def test_a_connection_outlives_its_backends_place_in_the_list(run: Callable[[Awaitable[None]], None]) -> None:
    async def test() -> None:
        async with backend(b"a") as first, backend(b"b") as second, forwarder(first) as service:
            reader, writer = await asyncio.open_connection(service.address, service.port)
            assert await reader.readexactly(1) == b"a"
            await service.set_backends([(ADDRESS, second)])
            writer.write(b"still there")
            assert await reader.readexactly(11) == b"still there"
            await service.close()
            with pytest.raises(ConnectionResetError):
                await reader.readexactly(1)
            await hang_up(writer)

    run(test())


def test_a_service_without_a_ready_backend_refuses_connections(run: Callable[[Awaitable[None]], None]) -> None:
    async def test() -> None:
        async with backend(b"a") as port, forwarder(port) as service:
            await service.set_backends([])
            with pytest.raises(ConnectionRefusedError):
                await talk(service, b"")
            await service.set_backends([(ADDRESS, port)])
            assert await talk(service, b"") == b"aend"

    run(test())


def test_a_backend_that_refuses_is_not_tried_again_elsewhere(run: Callable[[Awaitable[None]], None]) -> None:
    """Kube-proxy does not retry either; a client that relies on it would break on a real cluster."""

    async def test() -> None:
        async with backend(b"a") as gone:
            pass
        async with backend(b"b") as there, forwarder(gone, there) as service:
            answers = []
            for _ in range(60):
                try:
                    answers.append(await talk(service, b""))
                except ConnectionResetError:
                    answers.append(b"reset")
            assert set(answers) == {b"bend", b"reset"}

    run(test())


def test_a_cluster_ip_that_is_taken_is_named(run: Callable[[Awaitable[None]], None]) -> None:
    async def test() -> None:
        async with backend(b"a") as taken:
            service = Forwarder("kubemacpool-service", ADDRESS, taken)
            with pytest.raises(SettingError, match=f"Service kubemacpool-service cannot listen on {ADDRESS}:{taken}"):
                await service.set_backends([(ADDRESS, taken)])

    run(test())
