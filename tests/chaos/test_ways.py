"""Ways that are cut or silent, and the notes that the Service's proxy takes of connections that came to nothing."""

from __future__ import annotations

import asyncio
import time
from contextlib import asynccontextmanager, suppress
from typing import TYPE_CHECKING, cast

from chaos.proxying import Late, ServiceProxy
from tests.support.cutter import Cutter

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chaos.causes import Loss

ADDRESS = "127.0.0.1"
PATIENCE = 5.0


async def free_port() -> int:
    """A port on which nobody listens."""
    server = await asyncio.start_server(lambda _reader, writer: writer.close(), ADDRESS, 0)
    port: int = server.sockets[0].getsockname()[1]
    server.close()
    await server.wait_closed()
    return port


class Replica:
    """Answers each piece of what it is asked in capitals, or keeps silent, until it is told to end."""

    def __init__(self) -> None:
        self.silent = False
        self.asked = asyncio.Event()
        self._going_on = asyncio.Event()
        self.port = 0
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()

    async def start(self) -> None:
        """Listen."""
        self._server = await asyncio.start_server(self._serve, ADDRESS, 0)
        self.port = self._server.sockets[0].getsockname()[1]

    def go_on(self) -> None:
        """Answer late, as a process does that was paused."""
        self._going_on.set()

    async def die(self) -> None:
        """Reset every connection, and listen no more."""
        assert self._server is not None
        self._server.close()
        for writer in self._writers:
            writer.transport.abort()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._writers.add(writer)
        with suppress(ConnectionError):
            while asked := await reader.read(100):
                self.asked.set()
                if self.silent:
                    await self._going_on.wait()
                    asked = b"late"
                writer.write(asked.upper())
        writer.close()


@asynccontextmanager
async def replica() -> AsyncIterator[Replica]:
    """A replica that runs."""
    made = Replica()
    await made.start()
    try:
        yield made
    finally:
        await made.die()


@asynccontextmanager
async def proxy(*ports: int) -> AsyncIterator[tuple[ServiceProxy, int]]:
    """A proxy with these endpoints, and its port."""
    made = ServiceProxy(lambda: frozenset(ports), seed=1)
    made.endpoints = frozenset(ports)
    port = await free_port()
    await made.listen(ADDRESS, port)
    try:
        yield made, port
    finally:
        await made.close()


class Client:
    """A connection that asks."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    @property
    def port(self) -> int:
        """Its own port."""
        return cast("int", self._writer.get_extra_info("sockname")[1])

    async def say(self, text: bytes) -> bytes:
        """Ask something, and return the answer; empty where the connection ended."""
        self._writer.write(text)
        try:
            return await asyncio.wait_for(self._reader.read(100), PATIENCE)
        except ConnectionError:
            return b""

    def give_up(self) -> None:
        """Ask nothing more."""
        self._writer.write_eof()

    async def end(self) -> None:
        """Close it."""
        self._writer.close()
        with suppress(ConnectionError):
            await self._writer.wait_closed()


@asynccontextmanager
async def client(port: int) -> AsyncIterator[Client]:
    """A connection to this port."""
    made = Client(*await asyncio.open_connection(ADDRESS, port))
    try:
        yield made
    finally:
        await made.end()


@asynccontextmanager
async def way(port: int) -> AsyncIterator[tuple[Cutter, int]]:
    """A way to this port, and where it begins."""
    made = Cutter((ADDRESS, port))
    begin = await free_port()
    await made.listen(ADDRESS, begin)
    try:
        yield made, begin
    finally:
        await made.close()


async def the_loss(made: ServiceProxy) -> Loss:
    """The one connection that came to nothing."""
    async with asyncio.timeout(PATIENCE):
        while not made.losses:  # noqa: ASYNC110 (the proxy sets no event)
            await asyncio.sleep(0.01)
    (loss,) = made.losses
    return loss


async def test_a_connection_whose_replica_dies_before_it_answers_is_noted_with_the_time_of_the_question() -> None:
    async with replica() as served, proxy(served.port) as (made, port), client(port) as asking:
        assert await asking.say(b"one") == b"ONE"
        own_port = asking.port
        served.silent = True
        served.asked.clear()
        before = time.monotonic()
        answer = asyncio.create_task(asking.say(b"two"))
        await asyncio.wait_for(served.asked.wait(), PATIENCE)
        await served.die()
        assert await answer == b""
        await asking.end()
        loss = await the_loss(made)
        assert (loss.port, loss.client_port) == (served.port, own_port)
        assert loss.asked is not None
        assert loss.opened < before <= loss.asked <= loss.ended


async def test_a_connection_that_its_client_gives_up_unanswered_is_noted_even_if_the_replica_answers_later() -> None:
    async with replica() as served, proxy(served.port) as (made, port), client(port) as asking:
        served.silent = True
        answer = asyncio.create_task(asking.say(b"one"))
        await asyncio.wait_for(served.asked.wait(), PATIENCE)
        asking.give_up()
        assert (await the_loss(made)).asked is not None
        served.go_on()
        assert await answer == b"LATE"
    assert len(made.losses) == 1


async def test_a_connection_that_no_replica_took_is_noted() -> None:
    dead = await free_port()
    async with proxy(dead) as (made, port), client(port) as asking:
        assert await asking.say(b"one") == b""
        assert (await the_loss(made)).port == dead


async def test_a_connection_that_ends_after_its_answer_is_not_noted() -> None:
    async with replica() as served:
        async with proxy(served.port) as (made, port), client(port) as asking:
            assert await asking.say(b"one") == b"ONE"
        assert made.losses == []


def test_endpoints_follow_readiness_late() -> None:
    late = Late()
    both, one = frozenset({1, 2}), frozenset({2})
    assert late.endpoints(both, 100.0) == frozenset()
    assert late.endpoints(both, 101.0) == both
    assert late.endpoints(one, 101.5) == both
    assert late.endpoints(one, 102.4) == both
    assert late.endpoints(one, 102.5) == one


async def test_a_way_that_is_cut_resets_what_exists_and_refuses_what_comes_until_it_is_open() -> None:
    async with replica() as served, way(served.port) as (cut, port):
        async with client(port) as before:
            assert await before.say(b"one") == b"ONE"
            await cut.cut()
            assert await before.say(b"two") == b""
        async with client(port) as meanwhile:
            assert await meanwhile.say(b"three") == b""
        cut.mend()
        async with client(port) as after:
            assert await after.say(b"four") == b"FOUR"


async def test_a_way_that_is_silent_passes_on_late_what_it_was_told_meanwhile() -> None:
    async with replica() as served, way(served.port) as (silent, port), client(port) as old:
        assert await old.say(b"one") == b"ONE"
        served.asked.clear()
        silent.silence()
        async with client(port) as new:
            answers = [asyncio.create_task(old.say(b"two")), asyncio.create_task(new.say(b"three"))]
            done, _ = await asyncio.wait(answers, timeout=0.1)
            assert done == set()
            assert not served.asked.is_set()
            silent.mend()
            assert await asyncio.gather(*answers) == [b"TWO", b"THREE"]
