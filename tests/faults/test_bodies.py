"""Bodies have a bound in size and one in time."""

import asyncio
import gzip

import pytest
from structlog.testing import capture_logs
from tests.faults.served import ELSEWHERE, HERE, Reply, Scene, review

from kubemacpool.server import limits
from kubemacpool.wire.review import Answer

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


def _overfull(reply: Reply | None) -> bool:
    return reply is not None and (reply.status, reply.headers.get("retry-after"), reply.headers["connection"]) == (
        503,
        "1",
        "close",
    )


async def test_bodies_that_never_end_have_a_bound_together(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """Past it the longest goes, of the source that has most, and is told to ask again; nobody else notices."""
    monkeypatch.setattr(limits, "MAX_BODIES", 4000)
    monkeypatch.setattr(limits, "BODY_SECONDS", 5.0)
    third = await scene.connect(source="127.0.0.3")
    await third.send(review(b" " * 900, length=5000))
    clients = []
    for size in (800, 1000, 200):
        clients.append(await scene.connect(source=HERE))
        await clients[-1].send(review(b" " * size, length=5000))
        await asyncio.sleep(0.02)
    with capture_logs() as logs:
        assert await scene.ask(review(b" " * 1500), source=ELSEWHERE) is not None
    assert _overfull(await clients[1].reply())
    assert await clients[1].closed() == b""
    (told,) = [line for line in logs if line["event"] == "bodies of requests dropped to make room for others"]
    assert (told["number"], told["limit"], told["last_from"], told["last_size"]) == (1, 4000, HERE, 1000)
    for client, missing in ((third, 4100), (clients[0], 4200)):
        monkeypatch.setattr(limits, "MAX_BODIES", 40_000)
        reply = await client.ask(b" " * missing)
        assert reply is not None
        assert reply.status == 200


async def test_one_source_has_a_share_of_all_bodies(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BODIES", 4000)
    monkeypatch.setattr(limits, "BODY_SECONDS", 5.0)
    long = await scene.connect()
    await long.send(review(b" " * 1500, length=5000))
    await asyncio.sleep(0.02)
    reply = await scene.ask(review(b" " * 600))
    assert reply is not None
    assert reply.status == 200, "a short one is not the one to go"
    assert _overfull(await long.reply())


async def test_a_body_counts_until_it_is_answered(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BODIES", 4000)
    finish = asyncio.Event()

    async def answer(body: bytes) -> Answer:
        if len(body) == 1500:
            await finish.wait()
        return Answer(200, b"{}")

    scene.answer = answer
    client = await scene.connect()
    await client.send(review(b" " * 1500))
    await asyncio.sleep(0.05)
    assert _overfull(await scene.ask(review(b" " * 600)))
    finish.set()
    reply = await client.reply()
    assert reply is not None
    assert reply.status == 200, "one that is complete stays"
    reply = await scene.ask(review(b" " * 600))
    assert reply is not None
    assert reply.status == 200, "there is room again"


async def test_whoever_hangs_up_gives_back_what_their_body_took(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "MAX_BODIES", 4000)
    with capture_logs() as logs:
        for _ in range(4):
            client = await scene.connect()
            await client.send(review(b" " * 1500, length=5000))
            await asyncio.sleep(0.02)
            client.close()
            await scene.until_open(0)
        await asyncio.sleep(0.05)
        reply = await scene.ask(review(b" " * 1500))
    assert reply is not None
    assert reply.status == 200
    assert logs == []


async def test_a_body_in_many_small_pieces_arrives_whole(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 5.0)

    async def answer(body: bytes) -> Answer:
        return Answer(200, body)

    scene.answer = answer
    body = bytes(range(256)) * 30
    client = await scene.connect()
    await client.send(review(body[:1], length=len(body)))
    for start in range(1, len(body), 100):
        await client.send(body[start : start + 100])
        await asyncio.sleep(0)
    reply = await client.reply()
    assert reply is not None
    assert reply.body == body
