"""What is not HTTP, or HTTP of which two readers could make two things, is refused and its connection closed."""

import asyncio

import pytest
from tests.faults.served import Scene, get, review

from kubemacpool.wire.review import Answer

POST = b"POST /mutate-pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\n"
SMUGGLED = get(b"/healthz")

CHUNKED_UPGRADE = (
    POST + b"Connection: upgrade\r\nUpgrade: h2c\r\nTransfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n" + SMUGGLED
)

NOT_HTTP = {
    "random bytes": b"\x00\x01\x02garbage\r\n\r\n",
    "TLS inside TLS": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
    "a method in lower case": b"get /healthz HTTP/1.1\r\nHost: a\r\n\r\n",
    "HTTP/2 with prior knowledge": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "a version that does not exist": b"GET /healthz HTTP/9.9\r\nHost: a\r\n\r\n",
    "lines without carriage return": b"GET /healthz HTTP/1.1\nHost: a\n\n",
    "a request line past the bound": get(b"/" + b"a" * 20_000),
    "a header past the bound": get(b"/healthz", b"X: " + b"a" * 20_000),
    "a header's name past the bound": get(b"/healthz", b"X" * 20_000 + b": a"),
    "too many headers": get(b"/healthz", *[b"X: y"] * 100),
    "too many trailers": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n0\r\n" + b"X: y\r\n" * 100 + b"\r\n",
    "a NUL in a header": get(b"/healthz", b"X: a\0b"),
    "a NUL in a long header": get(b"/healthz", b"X: " + b"a" * 5_000 + b"\0b"),
    "a folded header": get(b"/healthz", b"X: a\r\n b"),
    "a blank before the colon": b"GET /healthz HTTP/1.1\r\nHost : a\r\n\r\n",
    "no Host": b"GET /healthz HTTP/1.1\r\n\r\n",
    "two Hosts": get(b"/healthz", b"Host: b"),
    "a path that is not ASCII": get(b"/\xff\xfe"),
    "a broken absolute URL": get(b"http://[::1/healthz"),
    "an absolute URL with a port that cannot be": get(b"http://a:999999/healthz"),
    "a negative length": POST + b"Content-Length: -1\r\n\r\n",
    "a length with a plus sign": POST + b"Content-Length: +2\r\n\r\n{}",
    "a length with an underscore": POST + b"Content-Length: 1_0\r\n\r\n{}",
    "a length past 64 bits": POST + b"Content-Length: 99999999999999999999999\r\n\r\n{}",
    "an empty length": POST + b"Content-Length: \r\n\r\n{}",
    "chunk size not a number": POST + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n{}\r\n0\r\n\r\n",
    "a negative chunk size": POST + b"Transfer-Encoding: chunked\r\n\r\n-2\r\n{}\r\n0\r\n\r\n",
    "a chunk longer than its size": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}xx\r\n0\r\n\r\n",
    "a chunk size past 64 bits": POST + b"Transfer-Encoding: chunked\r\n\r\nffffffffffffffffff\r\n{}\r\n0\r\n\r\n",
    "a second chunk that is broken": POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\nzz\r\n",
}

SMUGGLING = {
    "the same length twice": POST + b"Content-Length: 2\r\nContent-Length: 2\r\n\r\n{}",
    "two lengths": POST + b"Content-Length: 2\r\nContent-Length: %d\r\n\r\n{}" % (2 + len(SMUGGLED)),
    "a list of lengths": POST + b"Content-Length: 2, 2\r\n\r\n{}",
    "length, then chunked": POST + b"Content-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "chunked, then length": POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n",
    "transfer coding identity": POST + b"Transfer-Encoding: identity\r\n\r\n{}",
    "chunked not last": POST + b"Transfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
    "chunked twice": POST + b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "nearly chunked": POST + b"Transfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    "compressed and chunked": POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n2\r\n{}\r\n0\r\n\r\n",
}


@pytest.mark.parametrize("request_bytes", NOT_HTTP.values(), ids=NOT_HTTP)
async def test_what_is_not_http_is_answered_400_and_closed(scene: Scene, request_bytes: bytes) -> None:
    client = await scene.connect()
    reply = await client.ask(request_bytes)
    assert reply is not None
    assert reply.status == 400
    assert len(reply.body) < 400
    assert await client.closed() == b""
    assert await scene.works()


@pytest.mark.parametrize(
    "request_bytes",
    [
        review(b"{}"),
        get(b"/healthz"),
        get(b"/nowhere"),
        review(b"{}", b"Expect: 100-continue"),
        review(b"", length=2**30),
        NOT_HTTP["random bytes"],
        NOT_HTTP["too many headers"],
        NOT_HTTP["a version that does not exist"],
    ],
    ids=["200", "200 of a probe", "404", "417", "413", "400", "400 of a head", "400 of a version"],
)
async def test_no_answer_tells_what_we_are_made_of(scene: Scene, request_bytes: bytes) -> None:
    reply = await scene.ask(request_bytes)
    assert reply is not None
    assert "server" not in reply.headers


@pytest.mark.parametrize("request_bytes", SMUGGLING.values(), ids=SMUGGLING)
async def test_no_second_request_can_be_hidden_in_a_first_one(scene: Scene, request_bytes: bytes) -> None:
    client = await scene.connect()
    reply = await client.ask(request_bytes + SMUGGLED)
    assert reply is not None
    assert reply.status == 400
    assert await client.closed() == b"", "the hidden request was answered"


async def test_a_broken_chunk_that_comes_late_is_the_clients_fault(scene: Scene) -> None:
    client = await scene.connect()
    await client.send(POST + b"Transfer-Encoding: chunked\r\n\r\n2\r\n{}\r\n")
    await asyncio.sleep(0.05)
    reply = await client.ask(b"zz\r\n" + SMUGGLED)
    assert reply is not None
    assert reply.status == 400
    assert b"not what its head promised" in reply.body
    assert await client.closed() == b"", "the hidden request was answered"


async def test_bytes_that_a_client_made_up_do_not_break_the_answer_that_quotes_them(scene: Scene) -> None:
    reply = await scene.ask(POST.replace(b"application/json", b"\xff\xfe/\xff") + b"Content-Length: 2\r\n\r\n{}")
    assert reply is not None
    assert reply.status == 415
    reply = await scene.ask(get(b"/%ff%00"))
    assert reply is not None
    assert reply.status == 404


@pytest.mark.parametrize("protocol", [b"websocket", b"h2c"])
async def test_an_upgrade_is_declined_by_answering_in_http_1_1(scene: Scene, protocol: bytes) -> None:
    client = await scene.connect()
    for _ in range(2):
        reply = await client.ask(review(b"{}", b"Connection: upgrade", b"Upgrade: " + protocol))
        assert reply is not None
        assert reply.status == 200
        assert "upgrade" not in reply.headers


async def test_no_request_can_be_hidden_in_the_body_of_one_that_asks_for_an_upgrade(scene: Scene) -> None:
    """The parser takes what follows such a head for another protocol."""

    async def answer(body: bytes) -> Answer:
        return Answer(200, body)

    scene.answer = answer
    upgrade = (b"Connection: upgrade", b"Upgrade: h2c")
    client = await scene.connect()
    request = review(SMUGGLED, *upgrade) + review(b"{}")
    for start in range(0, len(request), 7):
        await client.send(request[start : start + 7])
        await asyncio.sleep(0)
    replies = [await client.reply(), await client.reply()]
    assert [reply.body for reply in replies if reply is not None] == [SMUGGLED, b"{}"]
    reply = await client.ask(CHUNKED_UPGRADE)
    assert reply is not None
    assert reply.status == 400
    assert await client.closed() == b""
