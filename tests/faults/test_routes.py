"""What is asked of the wrong place, in the wrong way, or of a part of ours that fails."""

import asyncio

import pytest
from structlog.testing import capture_logs
from tests.faults.served import Client, Reply, Scene, get, review

from kubemacpool.server.connections import Connection
from kubemacpool.server.messages import Request, Response
from kubemacpool.wire.review import Answer


async def _reply(client: Client, request: bytes) -> Reply:
    reply = await client.ask(request)
    assert reply is not None
    return reply


async def test_an_unknown_path_is_404_and_names_those_that_there_are(scene: Scene) -> None:
    reply = await _reply(await scene.connect(), get(b"/metrics"))
    assert reply.status == 404
    assert reply.body == b"nothing is served at /metrics; there are /healthz, /mutate-pods, /readyz\n"


@pytest.mark.parametrize("path", [b"//healthz", b"/healthz/", b"/healthz/../readyz/x", b"/HEALTHZ"])
async def test_paths_are_not_guessed(scene: Scene, path: bytes) -> None:
    assert (await _reply(await scene.connect(), get(path))).status == 404


@pytest.mark.parametrize(
    ("method", "path", "allowed"),
    [
        (b"GET", b"/mutate-pods", "POST"),
        (b"PUT", b"/mutate-pods", "POST"),
        (b"POST", b"/healthz", "GET"),
        (b"DELETE", b"/readyz", "GET"),
        (b"OPTIONS", b"/healthz", "GET"),
    ],
)
async def test_a_wrong_method_is_405_and_names_the_right_one(
    scene: Scene, method: bytes, path: bytes, allowed: str
) -> None:
    reply = await _reply(await scene.connect(), get(path, method=method))
    assert reply.status == 405
    assert reply.headers["allow"] == allowed


async def test_the_answer_to_a_head_request_has_no_body(scene: Scene) -> None:
    client = await scene.connect()
    await client.send(get(b"/healthz", method=b"HEAD"))
    reply = await client.reply(bodiless=True)
    assert reply is not None
    assert reply.status == 405
    assert (await _reply(client, get(b"/healthz"))).body == b"ok\n"


@pytest.mark.parametrize("content_type", [b"text/plain", b"application/yaml", b"application/jsonx", b"", b";"])
async def test_a_wrong_content_type_is_415(scene: Scene, content_type: bytes) -> None:
    request = review(b"{}").replace(b"application/json", content_type)
    assert (await _reply(await scene.connect(), request)).status == 415


async def test_a_content_type_with_parameters_is_json_all_the_same(scene: Scene) -> None:
    request = review(b"{}").replace(b"application/json", b"Application/JSON; charset=utf-8")
    assert (await _reply(await scene.connect(), request)).status == 200


@pytest.mark.parametrize("fault", [RuntimeError("a fault"), TimeoutError(), OSError(5, "a fault"), KeyError("x")])
async def test_a_fault_of_ours_is_503_and_never_an_answer(scene: Scene, fault: Exception) -> None:
    async def answer(_: bytes) -> Answer:
        raise fault

    scene.answer = answer
    with capture_logs() as logs:
        client = await scene.connect()
        reply = await _reply(client, review(b"{}"))
    assert reply.status == 503
    assert reply.headers["retry-after"] == "1"
    assert b"a fault" not in reply.body
    assert [(line["event"], line["path"]) for line in logs] == [("request failed", "/mutate-pods")]
    assert (await _reply(client, get(b"/healthz"))).status == 200, "the connection goes on"


@pytest.mark.parametrize("waits", [False, True])
@pytest.mark.parametrize("fault", [RuntimeError("a fault in the server itself"), TimeoutError(), ConnectionError()])
async def test_a_fault_outside_the_handler_is_503_and_closed(
    scene: Scene, monkeypatch: pytest.MonkeyPatch, fault: Exception, *, waits: bool
) -> None:
    async def answer(_: bytes) -> Answer:
        if waits:
            await asyncio.sleep(0)
        return Answer(200, b"{}")

    encode = Response.encode

    def broken(response: Response, request: Request) -> bytes:
        if response.status == 200:
            raise fault
        return encode(response, request)

    scene.answer = answer
    monkeypatch.setattr(Response, "encode", broken)
    with capture_logs() as logs:
        client = await scene.connect()
        reply = await _reply(client, review(b"{}"))
        assert reply.status == 503
        assert (reply.headers["retry-after"], reply.headers["connection"]) == ("1", "close")
        assert await client.closed() == b""
    assert [line["event"] for line in logs] == ["request failed outside its handler"]


@pytest.mark.parametrize("seconds", [0.05, 0])
async def test_an_answer_may_bound_its_time_before_it_first_waits(scene: Scene, seconds: float) -> None:
    """It runs outside every task until then, and `asyncio.timeout` needs one."""

    async def answer(_: bytes) -> Answer:
        try:
            async with asyncio.timeout(seconds):
                await asyncio.Event().wait()
        except TimeoutError:
            return Answer(200, b"late")
        return Answer(200, b"never")

    scene.answer = answer
    assert (await _reply(await scene.connect(), review(b"{}"))).body == b"late"


async def test_a_client_that_leaves_while_its_review_is_judged_is_no_error_of_ours(scene: Scene) -> None:
    judging, judged = asyncio.Event(), asyncio.Event()

    async def answer(_: bytes) -> Answer:
        judging.set()
        await judged.wait()
        return Answer(200, b"{}")

    scene.answer = answer
    with capture_logs() as logs:
        client = await scene.connect()
        await client.send(review(b"{}"))
        await judging.wait()
        client.close()
        await asyncio.sleep(0.05)
        judged.set()
        await scene.until_open(0)
    assert logs == []


async def test_every_connection_is_of_the_bounded_kind(scene: Scene) -> None:
    await scene.connect()
    assert await scene.works()
    assert all(isinstance(connection, Connection) for connection in scene.server._crowd)
