"""Bodies have a bound in size and one in time."""

import asyncio
import gzip

import pytest
from structlog.testing import capture_logs
from tests.faults.served import Scene, review

from kubemacpool.web import limits
from kubemacpool.wire.answers import Answer

CHUNKED = (
    b"POST /mutate-pods HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nTransfer-Encoding: Chunked\r\n\r\n"
)


async def test_a_body_as_long_as_allowed_arrives_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 5.0)
    seen: list[int] = []

    async def answer(body: bytes) -> Answer:
        seen.append(len(body))
        return Answer(200, b"{}")

    scene.answer = answer
    reply = await scene.ask(review(b" " * limits.MAX_BODY))
    assert reply is not None
    assert reply.status == 200
    assert seen == [limits.MAX_BODY]


async def test_a_body_past_the_bound_is_refused_by_its_head(scene: Scene) -> None:
    reply = await scene.ask(review(b"", length=limits.MAX_BODY + 1))
    assert reply is not None
    assert reply.status == 413
    assert reply.headers["connection"] == "close"


async def test_a_body_past_the_bound_that_does_not_tell_its_length_is_refused_too(
    scene: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "MAX_BODY", 1000)
    client = await scene.connect()
    reply = await client.ask(CHUNKED + b"200\r\n" + b" " * 0x200 + b"\r\n200\r\n" + b" " * 0x200 + b"\r\n0\r\n\r\n")
    assert reply is not None
    assert reply.status == 413
    assert await client.closed() == b""


async def test_a_body_that_stops_half_way_is_given_up_in_time(scene: Scene) -> None:
    client = await scene.connect()
    began = asyncio.get_running_loop().time()
    await client.send(review(b'{"half":', length=100))
    assert await scene.works(), "another client is served meanwhile"
    reply = await client.reply()
    assert reply is not None
    assert reply.status == 408
    assert reply.headers["connection"] == "close"
    assert b"did not arrive within 0.4 s" in reply.body
    assert await client.closed() == b""
    assert asyncio.get_running_loop().time() - began < limits.BODY_SECONDS + limits.LINGER_SECONDS + 1


async def test_a_body_that_trickles_is_given_up_in_time(scene: Scene) -> None:
    client = await scene.connect()
    await client.send(review(b"", length=10_000))
    trickling = asyncio.create_task(_trickle(client.send))
    reply = await client.reply()
    assert reply is not None
    assert reply.status == 408
    trickling.cancel()


async def _trickle(send: object) -> None:
    assert callable(send)
    while True:
        await send(b" ")
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("coding", [b"gzip", b"deflate", b"br", b"identity, gzip", b"GZIP"])
async def test_a_compressed_body_is_refused_and_not_inflated(scene: Scene, coding: bytes) -> None:
    reached: list[bytes] = []

    async def answer(body: bytes) -> Answer:
        reached.append(body)
        return Answer(200, b"{}")

    scene.answer = answer
    reply = await scene.ask(review(gzip.compress(b" " * 1_000_000), b"Content-Encoding: " + coding))
    assert reply is not None
    assert reply.status == 415
    assert b"Content-Encoding" in reply.body
    assert reached == []


async def test_identity_is_no_compression(scene: Scene) -> None:
    reply = await scene.ask(review(b"{}", b"Content-Encoding: Identity"))
    assert reply is not None
    assert reply.status == 200


async def test_who_waits_to_be_told_to_continue_is_told_to_send_at_once(scene: Scene) -> None:
    client = await scene.connect()
    reply = await client.ask(review(b"", b"Expect: 100-continue", length=2))
    assert reply is not None
    assert reply.status == 417
    assert await client.closed() == b""


async def test_a_chunked_body_is_read(scene: Scene) -> None:
    reply = await scene.ask(CHUNKED + b"1\r\n{\r\n1;extension=x\r\n}\r\n0\r\nTrailer: x\r\n\r\n")
    assert reply is not None
    assert reply.status == 200


async def test_a_client_that_goes_away_in_the_middle_of_a_body_is_no_error_of_ours(scene: Scene) -> None:
    with capture_logs() as logs:
        client = await scene.connect()
        await client.send(review(b'{"half":', length=100))
        await asyncio.sleep(0.05)
        client.close()
        await scene.until_open(0)
    assert [line for line in logs if line["log_level"] == "error"] == []


async def test_a_client_that_ends_tls_in_the_middle_of_a_body_is_let_go(scene: Scene) -> None:
    with capture_logs() as logs:
        client = await scene.connect()
        await client.send(review(b'{"half":', length=100))
        client.writer.close()
        await scene.until_open(0)
    assert [line for line in logs if line["log_level"] == "error"] == []
