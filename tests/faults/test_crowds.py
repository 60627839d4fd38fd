"""Crowds: whoever comes in what number, there is room for those who have something to ask."""

import asyncio
import gc
import ssl

import pytest
from structlog.testing import capture_logs
from tests.faults.served import ELSEWHERE, Client, Scene, get, review

from kubemacpool.server import limits
from kubemacpool.server.connections import Connection
from kubemacpool.server.entrance import Entrance
from kubemacpool.wire.review import Answer

MOST = 8
THIRD = "127.0.0.3"


@pytest.fixture(autouse=True)
def few(scene: Scene) -> None:
    """A server with few slots, four of them for each source."""
    scene.server._crowd.most = MOST


async def _asked(client: Client) -> Client:
    reply = await client.ask(review(b"{}"))
    assert reply is not None
    assert reply.status == 200
    return client


async def _still_served(client: Client) -> bool:
    reply = await client.ask(review(b"{}"))
    return reply is not None and reply.status == 200


async def _is_closed(client: Client) -> bool:
    await client.closed()
    return True


async def test_silence_from_one_address_takes_nothing_from_others(scene: Scene) -> None:
    served = await _asked(await scene.connect(source=ELSEWHERE))
    silent = [await scene.connect() for _ in range(3 * MOST)]
    assert scene.open_connections == 1 + MOST // limits.SOURCE_DIVISOR
    assert await scene.works()
    assert await _still_served(served)
    assert [await _is_closed(client) for client in silent[: 2 * MOST]], "the oldest of the crowd had to go"


def _remembered() -> list[object]:
    """Every connection that something in this process still refers to, of whichever test."""
    gc.collect()
    return [each for each in gc.get_objects() if isinstance(each, Connection | Entrance)]


async def test_those_that_never_begin_with_tls_take_nothing_from_others(scene: Scene) -> None:
    before = _remembered()
    served = await _asked(await scene.connect(source=ELSEWHERE))
    for source in ("127.0.0.11", "127.0.0.12", "127.0.0.13"):
        for _ in range(2 * MOST):
            await scene.connect_plain(source=source)
    async with asyncio.timeout(5):
        assert await scene.works()
    assert scene.open_connections <= MOST
    assert await _still_served(served)
    await asyncio.sleep(limits.HANDSHAKE_SECONDS + 0.2)
    remembered = [each for each in _remembered() if not any(each is other for other in before)]
    connections = [each for each in remembered if isinstance(each, Connection)]
    assert len(connections) == scene.open_connections <= 2, "nothing is left of those that had to go"
    assert len(remembered) <= 2 * len(connections), "nor of how they came in"


async def test_silence_from_many_addresses_takes_nothing_from_others(scene: Scene) -> None:
    served = await _asked(await scene.connect(source=ELSEWHERE))
    unused = await scene.connect(source=ELSEWHERE)
    for number in range(4 * MOST):
        await scene.connect(source=f"127.0.1.{number}")
    assert scene.open_connections == MOST
    assert await _still_served(served)
    assert await _still_served(unused), "the one that a served source holds ready is kept as well"


async def test_a_newcomer_who_is_slower_than_the_crowd_is_let_in(scene: Scene) -> None:
    for number in range(MOST):
        await scene.connect(source=f"127.0.1.{number}")
    await asyncio.sleep(limits.FRESH_SECONDS)
    mine = await scene.connect(source=ELSEWHERE)
    for number in range(MOST - 1):
        await scene.connect(source=f"127.0.2.{number}")
    assert await _still_served(mine), "those who have been silent for longer went first"


async def test_a_crowd_that_has_asked_something_makes_room_one_by_one(scene: Scene) -> None:
    served = [await _asked(await scene.connect(source=THIRD)) for _ in range(2)]
    crowd = [await _asked(await scene.connect(source=source)) for source in ("127.0.0.1", "127.0.0.4") for _ in "abc"]
    assert scene.open_connections == MOST
    assert await scene.works()
    assert await _is_closed(crowd[0]), "the one that has rested longest, of a source that has most"
    assert [await _still_served(client) for client in served] == [True, True]


async def test_bodies_that_never_end_make_room_too(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "BODY_SECONDS", 5.0)
    for source in ("127.0.0.1", THIRD):
        for _ in range(MOST):
            client = await scene.connect(source=source)
            await client.send(review(b"{", length=100))
    assert scene.open_connections == MOST
    assert await scene.works()


async def test_whoever_is_being_answered_is_left_alone(scene: Scene) -> None:
    finish = asyncio.Event()

    async def answer(_: bytes) -> Answer:
        await finish.wait()
        return Answer(200, b"{}")

    scene.answer = answer
    busy = [await scene.connect(source=source) for source in ("127.0.0.1", THIRD) for _ in range(MOST // 2)]
    for client in busy:
        await client.send(review(b"{}"))
    await asyncio.sleep(0.1)
    with capture_logs() as logs:
        with pytest.raises((ConnectionError, ssl.SSLError)):
            await scene.connect(source=ELSEWHERE)
        await asyncio.sleep(3 * limits.SWEEP_SECONDS)
    told = [line for line in logs if line["event"] == "connections turned away to make room for others"]
    assert [(line["number"], line["limit"], line["limit_of_one"]) for line in told] == [(1, MOST, MOST // 2)]
    finish.set()
    assert [reply.status for client in busy if (reply := await client.reply())] == [200] * MOST
    assert await _still_served(await scene.connect(source=ELSEWHERE)), "there is room again"


async def test_an_unread_request_does_not_count_as_being_answered(scene: Scene) -> None:
    """A body that comes after its answer must not make its connection look busy for ever."""
    for source in ("127.0.0.1", THIRD):
        for _ in range(MOST):
            client = await scene.connect(source=source)
            await client.send(get(b"/nowhere", b"Content-Length: 2", method=b"POST"))
            assert await client.reply() is not None
            await client.send(b"{}")
    assert await scene.works()


async def test_a_flood_leaves_few_lines(scene: Scene) -> None:
    with capture_logs() as logs:
        for _ in range(5 * MOST):
            await scene.connect_plain()
        await asyncio.sleep(5 * limits.SWEEP_SECONDS)
    told = [line for line in logs if line["event"] == "connections turned away to make room for others"]
    assert len(told) == 1
    assert (told[0]["greediest"], told[0]["its_connections"]) == ("127.0.0.1", MOST // 2)


async def test_an_unused_connection_of_a_served_source_is_kept(scene: Scene) -> None:
    """The API server may pick it up at the moment it is closed, and would not send its POST again."""
    unused = await scene.connect()
    await _asked(await scene.connect())
    await asyncio.sleep(limits.FIRST_REQUEST_SECONDS + 3 * limits.SWEEP_SECONDS)
    assert await _still_served(unused)


async def test_a_served_source_is_not_waited_for_in_the_middle_of_a_request(scene: Scene) -> None:
    await _asked(await scene.connect())
    client = await scene.connect()
    await client.send(b"POST /mutate-pods HTTP/1.1\r\n")
    assert await client.closed() == b""
