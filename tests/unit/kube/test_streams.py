"""Streams against a server of the test's own, which says byte for byte what it is told to."""

import asyncio
import contextlib
import gc
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager

import pytest

from kubemacpool.kube import streams
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.tokens import FixedToken
from kubemacpool.kube.transport import JSON, LARGEST_FAILURE_BYTES, LARGEST_HEAD_BYTES, StreamSilentError
from kubemacpool.ports import ClusterUnavailableError, NotFoundError, OutsideError, ResourceExpiredError

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
END = b"0\r\n\r\n"


def chunk(piece: bytes) -> bytes:
    """One chunk of a body."""
    return b"%x\r\n%b\r\n" % (len(piece), piece)


class Script:
    """What the server says to whoever connects, and what it was asked.

    Attributes:
        asked: the heads of the requests.
        left: set once a connection is gone.
    """

    def __init__(self, pieces: Sequence[bytes], *, stays: bool = False) -> None:
        self.asked: list[bytes] = []
        self.left = asyncio.Event()
        self._pieces = pieces
        self._stays = stays

    async def answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Serve one connection."""
        try:
            self.asked.append(await reader.readuntil(b"\r\n\r\n"))
            for piece in self._pieces:
                writer.write(piece)
                await writer.drain()
                await asyncio.sleep(0.01)
            if self._stays:
                await reader.read()
        except ConnectionError:
            pass
        finally:
            self.left.set()
            writer.close()


@asynccontextmanager
async def served(script: Script, *, path: str = "", bearer: str = "t0ken") -> AsyncIterator[ApiClient]:
    """A client for a server with this script."""
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    config = ClusterConfig(f"http://127.0.0.1:{port}{path}", None, True, None, None, FixedToken(bearer))  # noqa: FBT003 - verify
    try:
        async with ApiClient(config, None) as client:
            yield client
    finally:
        server.close()
        await server.wait_closed()


async def heard(client: ApiClient, idle: float = 5.0, total: float = 5.0) -> bytes:
    """All that a stream tells until its end."""
    told = bytearray()
    await client.stream("/x", {}, told.extend, accept=JSON, idle_seconds=idle, total_seconds=total)
    return bytes(told)


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED + chunk(b"one\n"), chunk(b"two\n") + END],
        [byte.to_bytes() for byte in CHUNKED + chunk(b"one\n") + chunk(b"two\n") + END],
        [b"HTTP/1.1 200 OK\r\nContent-Length: 8\r\n\r\none\n", b"two\n"],
        [b"HTTP/1.1 200 OK\r\n\r\none\n", b"two\n"],
        [b"HTTP/1.0 200 OK\r\n\r\none\ntwo\n"],
        [b"HTTP/1.1 103 Early Hints\r\nContent-Length: 3\r\n\r\n", CHUNKED, chunk(b"one\ntwo\n"), END],
    ],
    ids=["chunks", "byte by byte", "a length", "to the end of the connection", "HTTP/1.0", "announced"],
)
async def test_a_stream_is_told_to_its_end(pieces: Sequence[bytes]) -> None:
    async with served(Script(pieces)) as client:
        assert await heard(client) == b"one\ntwo\n"


async def test_a_stream_is_told_as_it_comes() -> None:
    told: list[bytes] = []
    first = asyncio.Event()

    def hear(piece: bytes) -> None:
        told.append(piece)
        first.set()

    async with served(Script([CHUNKED, chunk(b"one\n")], stays=True)) as client:
        stream = client.stream("/x", {}, hear, accept=JSON, idle_seconds=5, total_seconds=5)
        task = asyncio.create_task(stream)
        await asyncio.wait_for(first.wait(), 2)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
    assert told == [b"one\n"]


async def test_a_stream_asks_as_a_request_does() -> None:
    script = Script([CHUNKED, END])
    async with served(script, path="/behind/a/proxy/") as client:
        params = {"fieldSelector": "a!=b,c!=d", "watch": "1"}
        await client.stream("/api/v1/pods", params, print, accept="text/x", idle_seconds=5, total_seconds=5)
    first, *headers = script.asked[0].decode().strip().split("\r\n")
    assert first == "GET /behind/a/proxy/api/v1/pods?fieldSelector=a!%3Db,c!%3Dd&watch=1 HTTP/1.1"
    sent = dict(line.split(": ", 1) for line in headers)
    assert sent.pop("Host").startswith("127.0.0.1:")
    assert sent.pop("User-Agent").startswith("kubemacpool/")
    assert sent == {"Accept": "text/x", "Accept-Encoding": "identity", "Authorization": "Bearer t0ken"}


async def test_a_token_with_a_line_break_is_not_sent() -> None:
    script = Script([CHUNKED, END])
    async with served(script, bearer="a\r\nX-Remote-User: admin") as client:
        with pytest.raises(ValueError, match="line break"):
            await heard(client)
    assert script.asked == []


@pytest.mark.parametrize(
    ("pieces", "kind", "message"),
    [
        (
            [b'HTTP/1.1 404 Not Found\r\nContent-Length: 17\r\n\r\n{"message":"gone"', b"}"],
            NotFoundError,
            "404 Not Found",
        ),
        ([b"HTTP/1.1 410 Gone\r\n\r\n", b'{"message":"too old"}'], ResourceExpiredError, "410 Gone: too old"),
        ([b"HTTP/1.1 302 Found\r\nLocation: /y\r\nContent-Length: 0\r\n\r\n"], OutsideError, "302 Found"),
        (
            [b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: x\r\nConnection: upgrade\r\n\r\nx"],
            ClusterUnavailableError,
            "not HTTP",
        ),
        ([b"* OK IMAP4 ready\r\n"], ClusterUnavailableError, "not HTTP"),
        (
            [b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nnot a length\r\n"],
            ClusterUnavailableError,
            "not HTTP",
        ),
        ([CHUNKED, chunk(b"one\n")], ClusterUnavailableError, "closed before the end"),
        ([CHUNKED, b"ff\r\none\n"], ClusterUnavailableError, "closed before the end"),
        ([b"HTTP/1.1 200 O"], ClusterUnavailableError, "closed before the end"),
        ([], ClusterUnavailableError, "closed before the end"),
    ],
    ids=[
        "refused",
        "expired",
        "sent elsewhere",
        "another protocol",
        "not HTTP",
        "not chunks",
        "cut between chunks",
        "cut within a chunk",
        "cut within the head",
        "no answer",
    ],
)
async def test_a_stream_that_is_none_says_so(pieces: Sequence[bytes], kind: type[OutsideError], message: str) -> None:
    async with served(Script(pieces)) as client:
        with pytest.raises(kind, match=message) as error:
            await heard(client)
    assert str(error.value).startswith("GET /x (stream): ")


async def test_being_asked_to_wait_is_told_with_the_time() -> None:
    refusal = b"HTTP/1.1 429 Too Many Requests\r\nRetry-After: 4\r\nContent-Length: 0\r\n\r\n"
    async with served(Script([refusal])) as client:
        with pytest.raises(ClusterUnavailableError, match="429") as error:
            await heard(client)
    assert error.value.retry_after == 4


async def test_of_an_endless_refusal_no_more_is_read_than_is_worth_it() -> None:
    page = [chunk(b" " * 16384)] * (2 * LARGEST_FAILURE_BYTES // 16384)
    script = Script([b"HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n", *page], stays=True)
    async with served(script) as client:
        with pytest.raises(NotFoundError):
            await heard(client)
        await asyncio.wait_for(script.left.wait(), 2)


async def test_a_head_without_an_end_is_not_read_on() -> None:
    head = [b"HTTP/1.1 200 OK\r\n", *[b"X-Long: %b\r\n" % (b"y" * 8192)] * (2 * LARGEST_HEAD_BYTES // 8192)]
    async with served(Script(head, stays=True)) as client:
        with pytest.raises(ClusterUnavailableError, match="too large"):
            await heard(client)


@pytest.mark.parametrize(
    ("idle", "total", "kind", "message"),
    [(0.2, 5.0, StreamSilentError, "fell silent"), (5.0, 0.2, ClusterUnavailableError, "no answer in time")],
    ids=["silence", "its time"],
)
@pytest.mark.parametrize("pieces", [[], [CHUNKED, chunk(b"one\n")]], ids=["no head", "half a body"])
async def test_a_stream_is_given_up_after_silence_and_after_its_time(
    pieces: Sequence[bytes], idle: float, total: float, kind: type[ClusterUnavailableError], message: str
) -> None:
    script = Script(pieces, stays=True)
    async with served(script) as client:
        with pytest.raises(ClusterUnavailableError, match=message) as error:
            await heard(client, idle, total)
        await asyncio.wait_for(script.left.wait(), 2)
    assert type(error.value) is kind


async def test_a_stream_on_which_something_comes_is_not_silent() -> None:
    pieces = [CHUNKED, *[chunk(b"x")] * 40, END]  # 10 ms apart
    async with served(Script(pieces)) as client:
        assert await heard(client, idle=0.2) == b"x" * 40


async def test_what_a_reader_raises_ends_the_stream() -> None:
    script = Script([CHUNKED, chunk(b"one\n"), chunk(b"two\n")], stays=True)
    told: list[bytes] = []

    def hear(piece: bytes) -> None:
        told.append(piece)
        raise LookupError("as planned")

    async with served(script) as client:
        with pytest.raises(LookupError, match="as planned"):
            await client.stream("/x", {}, hear, accept=JSON, idle_seconds=5, total_seconds=5)
        await asyncio.wait_for(script.left.wait(), 2)
    assert told == [b"one\n"]


async def test_a_stream_that_is_left_drops_its_connection() -> None:
    script = Script([CHUNKED, chunk(b"one\n")], stays=True)
    first = asyncio.Event()
    async with served(script) as client:
        stream = client.stream("/x", {}, lambda _: first.set(), accept=JSON, idle_seconds=5, total_seconds=5)
        task = asyncio.create_task(stream)
        await asyncio.wait_for(first.wait(), 2)
        task.cancel()
        await asyncio.wait_for(script.left.wait(), 2)
        await asyncio.gather(task, return_exceptions=True)


@pytest.mark.parametrize(
    "pieces",
    [
        [CHUNKED, chunk(b"one\n"), END],
        [CHUNKED, chunk(b"one\n")],
        [CHUNKED, chunk(b"no number\n"), END],
        [CHUNKED, b"zz\r\n"],
        [b"HTTP/1.1 500 Broken\r\nContent-Length: 0\r\n\r\n"],
        [],
    ],
    ids=["told to its end", "cut", "what a reader raises", "not HTTP", "refused", "no answer"],
)
async def test_a_stream_that_is_over_leaves_nothing_to_the_collector(pieces: Sequence[bytes]) -> None:
    """A TLS connection has a buffer of 256 KiB, and all watches break at once where an API server goes away."""

    def hear(piece: bytes) -> None:
        if b"number" in piece:
            int(piece)

    async with served(Script(pieces)) as client:
        gc.collect()
        gc.disable()
        try:
            with contextlib.suppress(OutsideError, ValueError):
                await client.stream("/x", {}, hear, accept=JSON, idle_seconds=5, total_seconds=5)
            await asyncio.sleep(0.05)
            assert not [each for each in gc.get_objects() if isinstance(each, streams._Stream)]
        finally:
            gc.enable()


async def test_of_a_server_with_several_addresses_one_that_answers_is_used(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first one refuses the connection."""
    script = Script([CHUNKED, chunk(b"one\n"), END])
    server = await asyncio.start_server(script.answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    found = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (host, port)) for host in ("127.9.9.9", "127.0.0.1")]

    async def resolve(*_: object, **__: object) -> list[tuple[object, ...]]:
        return list(found)

    monkeypatch.setattr(asyncio.get_running_loop(), "getaddrinfo", resolve)
    told = bytearray()
    try:
        target = streams.Server("api.example", port, None)
        patience = streams.Patience(5, 5)
        assert await streams.read_stream("GET /x", target, "/x", {}, told.extend, patience) is None
    finally:
        server.close()
        await server.wait_closed()
    assert told == b"one\n"


async def test_a_server_that_takes_no_connection_is_unavailable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    with pytest.raises(ClusterUnavailableError, match=r"GET /x: .*111"):
        await streams.read_stream(
            "GET /x", streams.Server("127.0.0.1", port, None), "/x", {}, print, streams.Patience(5, 5)
        )


async def test_a_handshake_that_does_not_come_to_an_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streams, "CONNECT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        server = streams.Server("127.0.0.1", listener.getsockname()[1], ssl.create_default_context())
        with pytest.raises(ClusterUnavailableError, match="GET /x: no answer in time"):
            await streams.read_stream("GET /x", server, "/x", {}, print, streams.Patience(5, 5))
