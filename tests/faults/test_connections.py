"""Connections: how many, for how long, and what is asked on each."""

import asyncio
import socket
import ssl

import pytest
from structlog.testing import capture_logs
from tests.faults.served import NAME, Client, Scene, get, review

from kubemacpool.server import limits
from kubemacpool.server.connections import Connection
from kubemacpool.wire.review import Answer


def _now() -> float:
    return asyncio.get_running_loop().time()


async def test_a_connection_on_which_tls_never_begins_is_closed_in_time(scene: Scene) -> None:
    client = await scene.connect_plain()
    began = _now()
    assert await scene.works(), "others are served meanwhile"
    assert await client.closed() == b""
    assert limits.HANDSHAKE_SECONDS * 0.9 < _now() - began < limits.HANDSHAKE_SECONDS + 1


async def test_a_handshake_that_stops_half_way_is_closed_in_time(scene: Scene) -> None:
    hello = _client_hello(scene.trust)
    client = await scene.connect_plain()
    await client.send(hello[: len(hello) // 2])
    assert await scene.works()
    assert await client.closed() == b""


async def test_a_handshake_that_is_never_finished_is_closed_in_time(scene: Scene) -> None:
    client = await scene.connect_plain()
    await client.send(_client_hello(scene.trust))
    assert await scene.works()
    assert await client.closed() != b"", "the server has answered the hello"


async def test_a_handshake_cut_short_by_the_client_is_no_error_of_ours(scene: Scene) -> None:
    hello = _client_hello(scene.trust)
    with capture_logs() as logs:
        for data in (b"", hello[:5], hello[: len(hello) // 2], hello):
            client = await scene.connect_plain()
            await client.send(data)
            client.close()
        assert await scene.works()
    assert logs == []


@pytest.mark.parametrize(
    "data", [b"GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\xff\xff" * 9]
)
async def test_what_is_not_tls_is_closed_at_once(scene: Scene, data: bytes) -> None:
    client = await scene.connect_plain()
    began = _now()
    await client.send(data)
    assert b"HTTP" not in await client.closed()
    assert _now() - began < limits.HANDSHAKE_SECONDS + 0.5
    assert await scene.works()


async def test_tls_older_than_1_3_is_refused(scene: Scene) -> None:
    scene.trust.maximum_version = ssl.TLSVersion.TLSv1_2
    with pytest.raises((ssl.SSLError, ConnectionError)):
        await scene.connect()


async def test_a_client_that_asks_nothing_is_closed_in_time(scene: Scene) -> None:
    client = await scene.connect()
    began = _now()
    assert await scene.works(), "others are served meanwhile"
    assert await client.closed() == b""
    assert limits.FIRST_REQUEST_SECONDS * 0.9 < _now() - began < limits.FIRST_REQUEST_SECONDS + 1


async def test_a_client_whose_first_request_trickles_is_closed_in_time(scene: Scene) -> None:
    client = await scene.connect()
    began = _now()
    for byte in get(b"/healthz", b"X: " + b"a" * 500):
        await client.send(bytes([byte]))
        await asyncio.sleep(0.01)
        if client.reader.at_eof() or client.reader.exception() is not None:  # by its end or by a reset
            break
    assert await client.closed() == b""
    assert _now() - began < limits.FIRST_REQUEST_SECONDS + 1


async def test_a_client_that_asked_once_may_be_silent_for_longer(scene: Scene) -> None:
    client = await scene.connect()
    assert await client.ask(review(b"{}")) is not None
    await asyncio.sleep(limits.FIRST_REQUEST_SECONDS + 3 * limits.SWEEP_SECONDS)
    reply = await client.ask(review(b"{}"))
    assert reply is not None
    assert reply.status == 200


async def test_an_idle_connection_outlives_that_of_the_api_server(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The API server keeps idle connections for 90 s and must be the one that closes."""
    client = await scene.connect()
    assert await client.ask(review(b"{}")) is not None
    (connection,) = [guest for guest in scene.server._crowd if isinstance(guest, Connection)]
    monkeypatch.setattr(connection, "_clock", lambda: _now() + 120)
    await asyncio.sleep(3 * limits.SWEEP_SECONDS)
    assert await client.ask(review(b"{}")) is not None
    monkeypatch.setattr(connection, "_clock", lambda: _now() + 120 + 2 * limits.KEEP_ALIVE_SECONDS)
    assert await client.closed() == b""


async def test_an_idle_connection_is_closed_after_its_time(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "KEEP_ALIVE_SECONDS", 0.6)
    client = await scene.connect()
    assert await client.ask(review(b"{}")) is not None
    await asyncio.sleep(0.35)
    assert await client.ask(review(b"{}")) is not None, "asking again begins the time anew"
    began = _now()
    assert await client.closed() == b""
    assert 0.5 < _now() - began < 1.5


async def test_a_later_request_that_never_ends_is_closed_with_the_idle_ones(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "KEEP_ALIVE_SECONDS", 0.5)
    client = await scene.connect()
    assert await client.ask(review(b"{}")) is not None
    await client.send(b"POST /mutate-pods HTTP/1.1\r\nHost: a\r\n")
    began = _now()
    assert await client.closed() == b""
    assert _now() - began < 1.5


async def test_a_connection_carries_many_requests(scene: Scene) -> None:
    client = await scene.connect()
    for _ in range(50):
        reply = await client.ask(review(b"{}"))
        assert reply is not None
        assert reply.status == 200
        assert reply.version == "HTTP/1.1"
        assert "connection" not in reply.headers
    assert scene.open_connections == 1


async def test_pipelined_requests_are_answered_in_order(scene: Scene) -> None:
    async def answer(body: bytes) -> Answer:
        await asyncio.sleep(0.001)
        return Answer(200, body)

    scene.answer = answer
    client = await scene.connect()
    await client.send(b"".join(review(b"%d" % number) for number in range(100)))
    replies = [await client.reply() for _ in range(100)]
    assert [reply.body for reply in replies if reply is not None] == [b"%d" % number for number in range(100)]


async def test_requests_that_wait_for_one_before_them_have_a_bound(scene: Scene) -> None:
    finish = asyncio.Event()

    async def answer(_: bytes) -> Answer:
        await finish.wait()
        return Answer(200, b"{}")

    scene.answer = answer
    client = await scene.connect()
    for _ in range(100):
        await client.send(review(b"{}"))
        await asyncio.sleep(0.002)
    (connection,) = [guest for guest in scene.server._crowd if isinstance(guest, Connection)]
    assert limits.MAX_PIPELINED <= len(connection._messages) < 3 * limits.MAX_PIPELINED, "the rest stays unread"
    finish.set()
    replies = [await client.reply() for _ in range(100)]
    assert [reply.status for reply in replies if reply is not None] == [200] * 100


async def test_a_head_that_is_too_long_ends_its_connection(scene: Scene) -> None:
    """Every line of it may be within its bound; it is in memory until the last has come."""
    client = await scene.connect()
    assert await client.ask(review(b"{}")) is not None
    await client.send(get(b"/healthz", b"X: " + b"a" * 4000)[:-2])
    for _ in range(30):
        await client.send(b"X: " + b"a" * 4000 + b"\r\n")
        await asyncio.sleep(0.005)
    assert await client.closed() == b""


async def test_a_head_as_long_as_the_api_server_may_send_is_read(scene: Scene) -> None:
    reply = await scene.ask(review(b"{}", b"Baggage: " + b"a" * 8000, *[b"X-%d: y" % each for each in range(50)]))
    assert reply is not None
    assert reply.status == 200


async def test_http_1_0_is_answered_and_closed(scene: Scene) -> None:
    client = await scene.connect()
    reply = await client.ask(get(b"/healthz", version=b"HTTP/1.0"))
    assert reply is not None
    assert (reply.status, reply.version) == (200, "HTTP/1.0")
    assert await client.closed() == b""


async def test_a_client_that_wants_to_close_is_answered_and_closed(scene: Scene) -> None:
    client = await scene.connect()
    reply = await client.ask(review(b"{}", b"Connection: close"))
    assert reply is not None
    assert (reply.status, reply.headers["connection"]) == (200, "close")
    assert await client.closed() == b""


async def test_a_client_that_does_not_read_its_answers_is_closed_in_time(scene: Scene) -> None:
    async def answer(_: bytes) -> Answer:
        return Answer(200, b"x" * 1_000_000)

    scene.answer = answer
    client = await _unread(scene)
    await client.send(b"".join(review(b"{}") for _ in range(20)))
    began = _now()
    assert await scene.works(), "others are served meanwhile"
    await scene.until_open(1)
    assert _now() - began < limits.UNREAD_SECONDS + 2


async def test_a_client_that_reads_late_gets_everything(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "UNREAD_SECONDS", 0.6)

    async def answer(_: bytes) -> Answer:
        return Answer(200, b"x" * 5_000_000)

    scene.answer = answer
    client = await _unread(scene)
    await client.send(review(b"{}") * 3)
    await asyncio.sleep(3 * limits.SWEEP_SECONDS)
    assert [guest.writing_paused for guest in scene.server._crowd if isinstance(guest, Connection)] == [True]
    for _ in range(3):
        reply = await client.reply()
        assert reply is not None
        assert len(reply.body) == 5_000_000
    await asyncio.sleep(limits.UNREAD_SECONDS + 3 * limits.SWEEP_SECONDS)
    assert await client.ask(review(b"{}")) is not None, "once everything was read, the connection goes on"


async def test_a_port_in_use_is_named(scene: Scene) -> None:
    with pytest.raises(OSError, match=f"cannot listen on 127.0.0.1:{scene.port}: "):
        await scene.server.start("127.0.0.1", scene.port)


def _client_hello(trust: ssl.SSLContext) -> bytes:
    outgoing = ssl.MemoryBIO()
    tls = trust.wrap_bio(ssl.MemoryBIO(), outgoing, server_hostname=NAME)
    with pytest.raises(ssl.SSLWantReadError):
        tls.do_handshake()
    return outgoing.read()


async def _unread(scene: Scene) -> Client:
    """A client whose kernel takes little for it before it reads."""
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    sock.settimeout(0)
    await asyncio.get_running_loop().sock_connect(sock, ("127.0.0.1", scene.port))
    return await scene.connect(sock)
