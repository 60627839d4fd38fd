"""The end in good order: nobody who has asked goes without an answer, and nobody can hold it up."""

import asyncio
import socket
import ssl

import pytest
from tests.faults.served import HERE, NAME, Client, Scene, get, review

from kubemacpool.server import limits
from kubemacpool.server.https import Server
from kubemacpool.wire.review import Answer


def _now() -> float:
    return asyncio.get_running_loop().time()


class _Judging:
    """A webhook that has begun to judge, and answers when it is told to."""

    def __init__(self, scene: Scene) -> None:
        self.begun = asyncio.Event()
        self.finish = asyncio.Event()
        scene.answer = self._answer

    async def _answer(self, body: bytes) -> Answer:
        self.begun.set()
        await self.finish.wait()
        return Answer(200, body)


async def _asked(client: Client) -> Client:
    assert await client.ask(get(b"/healthz")) is not None
    return client


async def test_while_draining_begins_every_answer_closes_its_connection(scene: Scene) -> None:
    used = await _asked(await scene.connect())
    idle = await _asked(await scene.connect())
    scene.server.begin_draining()
    for client in (used, await scene.connect()):
        reply = await client.ask(review(b"{}"))
        assert reply is not None
        assert (reply.status, reply.headers["connection"]) == (200, "close")
        assert await client.closed() == b""
    assert not idle.reader.at_eof(), "an idle connection may still carry the request that is on its way"


async def test_a_request_under_way_is_answered_and_closed(scene: Scene) -> None:
    judging = _Judging(scene)
    client = await scene.connect()
    await client.send(review(b'{"a":1}'))
    await judging.begun.wait()
    draining = asyncio.create_task(scene.server.drain(5.0))
    await asyncio.sleep(0.1)
    assert not draining.done()
    judging.finish.set()
    reply = await client.reply()
    assert reply is not None
    assert (reply.status, reply.body, reply.headers["connection"]) == (200, b'{"a":1}', "close")
    assert await client.closed() == b""
    await draining


async def test_a_request_whose_body_is_still_arriving_is_answered(scene: Scene) -> None:
    client = await scene.connect()
    await client.send(review(b'{"a":', length=7))
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(scene.server.drain(5.0))
    await asyncio.sleep(0.1)
    reply = await client.ask(b"1}")
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    await draining


async def test_a_request_whose_head_is_still_arriving_is_answered(scene: Scene) -> None:
    client = await _asked(await scene.connect())
    request = review(b"{}")
    await client.send(request[:40])
    await asyncio.sleep(0.05)
    draining = asyncio.create_task(scene.server.drain(5.0))
    await asyncio.sleep(0.1)
    reply = await client.ask(request[40:])
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    await draining


async def test_a_head_that_never_ends_holds_it_up_for_no_longer_than_it_may_take(scene: Scene) -> None:
    client = await _asked(await scene.connect())
    await client.send(review(b"{}")[:40])
    await asyncio.sleep(0.05)
    began = _now()
    await scene.server.drain(0.2)
    assert _now() - began < 0.2 + limits.CLOSE_SECONDS
    assert await client.closed() == b""


async def test_a_request_that_has_arrived_and_that_nobody_has_read_yet_is_answered(scene: Scene) -> None:
    """As after a moment in which the program did not run: many a request waits in the kernel then."""
    raw = socket.create_connection((HERE, scene.port))
    with await asyncio.to_thread(scene.trust.wrap_socket, raw, server_hostname=NAME) as client:
        client.sendall(get(b"/healthz"))
        assert (await asyncio.to_thread(client.recv, 4096)).startswith(b"HTTP/1.1 200 ")
        client.sendall(review(b"{}"))
        await scene.server.drain(5.0)
        reply = await asyncio.to_thread(_rest, client)
    assert reply.startswith(b"HTTP/1.1 200 ")
    assert b"connection: close" in reply.lower()


def _rest(client: ssl.SSLSocket) -> bytes:
    """Everything until the end."""
    client.settimeout(5.0)
    return b"".join(iter(lambda: client.recv(4096), b""))


async def test_a_first_request_that_comes_right_after_its_handshake_is_answered(scene: Scene) -> None:
    client = await scene.connect()
    draining = asyncio.create_task(scene.server.drain(5.0))
    await asyncio.sleep(0.1)
    reply = await client.ask(review(b"{}"))
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    await draining


async def test_idle_connections_are_closed_and_hold_nothing_up(scene: Scene) -> None:
    clients = [await _asked(await scene.connect()) for _ in range(5)]
    began = _now()
    await scene.server.drain(5.0)
    assert _now() - began < 0.5
    assert [await client.closed() for client in clients] == [b""] * 5


async def test_a_connection_that_never_asked_holds_it_up_for_a_moment_only(scene: Scene) -> None:
    client = await scene.connect()
    began = _now()
    await scene.server.drain(5.0)
    assert _now() - began < limits.FRESH_SECONDS + 1
    assert await client.closed() == b""


async def test_new_connections_are_refused(scene: Scene) -> None:
    judging = _Judging(scene)
    client = await scene.connect()
    await client.send(review(b"{}"))
    await judging.begun.wait()
    draining = asyncio.create_task(scene.server.drain(5.0))
    await asyncio.sleep(0.05)
    with pytest.raises(ConnectionRefusedError):
        await scene.connect()
    judging.finish.set()
    await draining


async def test_a_request_that_takes_too_long_is_given_up(scene: Scene) -> None:
    judging = _Judging(scene)
    client = await scene.connect()
    await client.send(review(b"{}"))
    await judging.begun.wait()
    began = _now()
    await scene.server.drain(0.2)
    assert 0.19 <= _now() - began < 0.2 + 4 * limits.CLOSE_SECONDS
    assert await client.closed() == b""


async def test_a_client_that_does_not_agree_to_the_end_holds_nothing_up(scene: Scene) -> None:
    client = await _asked(await scene.connect())
    client.writer.transport.pause_reading()  # type: ignore[attr-defined]  # the close_notify stays unread
    began = _now()
    await scene.server.drain(5.0)
    assert _now() - began < limits.CLOSE_SECONDS + 1


async def test_a_server_that_never_listened_drains_at_once(scene: Scene) -> None:
    await Server({}, scene.trust).drain(5.0)
