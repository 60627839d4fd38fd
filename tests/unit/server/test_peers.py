"""Handing a review to another replica, over real TLS on loopback."""

import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from functools import cache
from typing import NamedTuple

import pytest

from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.ports import PeerError
from kubemacpool.server import limits
from kubemacpool.server.peers import FORWARDED, PeerClient
from kubemacpool.wire.review import Answer

NAME = "kubemacpool-service.kubemacpool-system.svc"
LONG = 60.0
"""Seconds that no test here waits for."""

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


class Asked(NamedTuple):
    """A request as it came."""

    line: str
    headers: dict[str, str]
    body: bytes


@cache
def _authority(number: int) -> KeyPair:
    del number  # tells several apart
    return issue_authority(datetime.now(UTC))


@cache
def _serving(name: str = NAME) -> ssl.SSLContext:
    serving = issue_serving(_authority(0), ServerNames((name,)), datetime.now(UTC))
    return server_context(serving.certificate_pem, serving.key_pem)


def _client(trusting: int = 0) -> PeerClient:
    tls = client_context(_authority(trusting).certificate_pem)
    return PeerClient(lambda: tls, NAME)


class Replica:
    """Another replica that does what the test says with each request."""

    def __init__(self, play: Play, tls: ssl.SSLContext) -> None:
        self.endpoint = ""
        self.asked: list[Asked] = []
        self.connections = 0
        self._play = play
        self._tls = tls
        self._writers: list[asyncio.StreamWriter] = []
        self._tasks: list[asyncio.Task[None]] = []

    @asynccontextmanager
    async def serving(self) -> AsyncIterator["Replica"]:
        """Listens."""
        server = await asyncio.start_server(self._accept, "127.0.0.1", 0, ssl=self._tls)
        self.endpoint = "{}:{}".format(*server.sockets[0].getsockname())
        try:
            yield self
        finally:
            server.close()
            for writer in self._writers:
                writer.transport.abort()
            await asyncio.gather(*self._tasks)

    def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.append(asyncio.create_task(self._serve(reader, writer)))

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self._writers.append(writer)
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
                headers = {name.lower(): value for name, value in (line.split(": ", 1) for line in head[1:-2])}
                body = await reader.readexactly(int(headers["content-length"]))
                self.asked.append(Asked(head[0], headers, body))
                await self._play(reader, writer)
                await writer.drain()


def saying(*pieces: bytes) -> Play:
    """Answers with these bytes, each written by itself."""

    async def play(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0)

    return play


def breaking_off(*pieces: bytes) -> Play:
    """Answers with these bytes and closes."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await saying(*pieces)(reader, writer)
        writer.close()

    return play


async def silent(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    """Does not answer for as long as the other side waits."""
    await reader.read()


def response(body: bytes, status: str = "200 OK", *headers: str) -> bytes:
    """A whole response."""
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers]
    return "\r\n".join((*lines, "", "")).encode() + body


async def _forward(play: Play, *, trusting: int = 0, name: str = NAME, seconds: float = LONG) -> Answer:
    async with Replica(play, _serving(name)).serving() as replica, _client(trusting) as client:
        return await client.forward(replica.endpoint, "/mutate-pods", b"{}", seconds)


async def test_the_other_replica_gets_the_review_as_it_came_and_is_told_that_it_was_forwarded() -> None:
    async with Replica(saying(response(b"{}")), _serving()).serving() as replica, _client() as client:
        await client.forward(replica.endpoint, "/mutate-pods", b'{"a": 1}', LONG)
    (asked,) = replica.asked
    assert asked.line == "POST /mutate-pods HTTP/1.1"
    assert asked.body == b'{"a": 1}'
    assert asked.headers["content-type"] == "application/json"
    assert asked.headers[FORWARDED.lower()] == "1"


@pytest.mark.parametrize(
    ("answered", "answer"),
    [
        (response(b"{}", "200 OK", "Content-Type: application/json"), Answer(200, b"{}")),
        (
            response(b"later\n", "503 Service Unavailable", "Content-Type: text/plain", "Retry-After: 1"),
            Answer(503, b"later\n", "text/plain", 1),
        ),
        (
            response(b"", "503 Service Unavailable", "Content-Type: text/plain", "Retry-After: tomorrow"),
            Answer(503, b"", "text/plain"),
        ),
        (
            response(b"no\n", "421 Misdirected Request", "Content-Type: text/plain"),
            Answer(421, b"no\n", "text/plain"),
        ),
    ],
    ids=["a verdict", "not now", "not now, at a time that cannot be read", "not here"],
)
async def test_its_answer_is_passed_on(answered: bytes, answer: Answer) -> None:
    assert await _forward(saying(answered)) == answer


async def test_an_answer_that_comes_in_many_pieces_is_passed_on_whole() -> None:
    body = bytes(range(256)) * 1024
    whole = response(body, "200 OK", "Content-Type: application/json")
    pieces = [whole[begin : begin + 10_000] for begin in range(0, len(whole), 10_000)]
    assert await _forward(saying(*pieces)) == Answer(200, body)


async def test_a_replica_that_does_not_take_us_for_one_has_not_answered() -> None:
    refusal = response(b"a certificate is missing\n" + b"x" * 10_000, "403 Forbidden", "Content-Type: text/plain")
    with pytest.raises(PeerError, match=r"replica 127\.0\.0\.1:\d+ refuses us: a certificate is missing") as caught:
        await _forward(saying(refusal))
    assert len(str(caught.value)) < 1000


async def test_a_connection_is_used_again() -> None:
    async with Replica(saying(response(b"{}")), _serving()).serving() as replica, _client() as client:
        for _ in range(3):
            await client.forward(replica.endpoint, "/mutate-pods", b"{}", LONG)
        assert (replica.connections, len(replica.asked)) == (1, 3)


async def test_who_is_not_certified_by_our_own_authority_gets_no_review() -> None:
    async with Replica(saying(response(b"{}")), _serving()).serving() as replica, _client(trusting=1) as client:
        with pytest.raises(PeerError, match=f"replica {replica.endpoint} gave no answer: .*certificate"):
            await client.forward(replica.endpoint, "/mutate-pods", b"{}", LONG)
    assert replica.asked == []


async def test_who_has_a_certificate_for_another_name_gets_no_review() -> None:
    async with Replica(saying(response(b"{}")), _serving("elsewhere.svc")).serving() as replica, _client() as client:
        with pytest.raises(PeerError, match="certificate"):
            await client.forward(replica.endpoint, "/mutate-pods", b"{}", LONG)
    assert replica.asked == []


@pytest.mark.parametrize(
    "play",
    [
        breaking_off(),
        breaking_off(b"HTTP/1.1 200 OK\r\nContent-Le"),
        breaking_off(response(b"half of it")[:-4]),
        breaking_off(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhalf "),
        breaking_off(b"SSH-2.0-OpenSSH_9.9\r\n"),
    ],
    ids=["before its answer", "in its head", "in its body", "in its body of unknown length", "by something else"],
)
async def test_an_answer_that_breaks_off_is_none(play: Play) -> None:
    with pytest.raises(PeerError, match=r"replica 127\.0\.0\.1:\d+ gave no answer: ."):
        await _forward(play)


@pytest.mark.parametrize(
    "play",
    [silent, saying(response(b"half of it")[:-4])],
    ids=["not at all", "half of it"],
)
async def test_a_replica_that_does_not_answer_in_time_is_not_waited_for(play: Play) -> None:
    with pytest.raises(PeerError, match=r"gave no answer: ."):
        await _forward(play, seconds=0.1)


async def test_an_answer_greater_than_any_of_ours_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BODY", 100_000)
    largest = b" " * limits.MAX_BODY
    assert (await _forward(saying(response(largest)))).body == largest
    with pytest.raises(PeerError, match="more than 100000 bytes"):
        await _forward(saying(response(largest + b" ")))


async def test_nobody_who_listens_is_no_answer() -> None:
    async with Replica(silent, _serving()).serving() as replica:
        gone = replica.endpoint
    async with _client() as client:
        with pytest.raises(PeerError, match=f"replica {gone} gave no answer: "):
            await client.forward(gone, "/mutate-pods", b"{}", LONG)


async def test_what_is_no_endpoint_is_no_answer() -> None:
    async with _client() as client:
        with pytest.raises(PeerError, match="gave no answer"):
            await client.forward("not an endpoint", "/mutate-pods", b"{}", LONG)


async def test_before_it_was_opened_it_cannot_be_used() -> None:
    with pytest.raises(RuntimeError, match="outside its `async with`"):
        await _client().forward("127.0.0.1:1", "/mutate-pods", b"{}", LONG)
