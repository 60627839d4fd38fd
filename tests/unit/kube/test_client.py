"""The client against a server of the test's own, which does what an API server does only on bad days."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

import pytest
from aiohttp import web

from kubemacpool.kube import client as client_module
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.tokens import FixedToken, TokenSource
from kubemacpool.kube.transport import AnswerTooLargeError
from kubemacpool.ports import ClusterUnavailableError, RefusedError

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


@asynccontextmanager
async def served(handler: Handler, path: str = "", token: TokenSource | None = None) -> AsyncIterator[ApiClient]:
    """A client for a server with this handler."""
    runner = web.ServerRunner(web.Server(handler), shutdown_timeout=0.1)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    config = ClusterConfig(f"http://{host}:{port}{path}", None, True, None, None, token or FixedToken("t0ken"))  # noqa: FBT003 - verify
    try:
        async with ApiClient(config, None) as client:
            yield client
    finally:
        await runner.cleanup()


async def test_a_request_carries_token_user_agent_and_query_to_the_path_below_the_server() -> None:
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=b"{}")

    async with served(handler, "/behind/a/proxy/") as client:
        assert await client.get("/api/v1/pods", {"fieldSelector": "a!=b,c!=d"}) == b"{}"
    (request,) = seen
    assert request.path == "/behind/a/proxy/api/v1/pods"
    assert request.query["fieldSelector"] == "a!=b,c!=d"
    assert request.headers["Authorization"] == "Bearer t0ken"
    assert request.headers["User-Agent"].startswith("kubemacpool/")
    assert request.headers["Accept-Encoding"] == "identity"


@pytest.mark.parametrize(
    ("said", "hours"),
    [
        (format_datetime(datetime.now(UTC) + timedelta(hours=3), usegmt=True), 3),
        (format_datetime(datetime.now(UTC) - timedelta(hours=3), usegmt=True), -3),
        (format_datetime(datetime.now(UTC), usegmt=True), 0),
        ("yesterday", 0),
        ("Tue, 99 Foo 2026 00:00:00 GMT", 0),
    ],
    ids=["ahead", "behind", "alike", "no date", "impossible"],
)
async def test_how_far_the_api_servers_clock_is_ahead_is_known_from_its_answers(said: str, hours: int) -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=b"{}", headers={"Date": said})

    async with served(handler) as client:
        assert client.clock_skew == timedelta()
        await client.get("/x")
        assert round(client.clock_skew / timedelta(hours=1), 1) == hours


@pytest.mark.parametrize("dry_run", [False, True])
async def test_a_dry_run_is_the_same_patch_with_a_word_in_the_query(dry_run: bool) -> None:  # noqa: FBT001 (a case)
    seen: list[web.BaseRequest] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request)
        return web.Response(body=b"{}")

    async with served(handler) as client:
        await client.patch("/x", b"{}", content_type="application/merge-patch+json", dry_run=dry_run)
    (request,) = seen
    assert (request.method, request.query.get("dryRun")) == ("PATCH", "All" if dry_run else None)


async def test_being_asked_to_wait_is_told_with_the_time() -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=429, headers={"Retry-After": "4"})

    async with served(handler) as client:
        with pytest.raises(ClusterUnavailableError, match="GET /x: 429 Too Many Requests") as error:
            await client.get("/x")
    assert error.value.retry_after == 4


async def test_a_redirect_is_not_followed_because_it_would_carry_the_token_away() -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=302, headers={"Location": "http://127.0.0.1:1/"})

    async with served(handler) as client:
        with pytest.raises(RefusedError, match="302 Found"):
            await client.get("/x")


async def test_an_answer_past_the_bound_is_not_held(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "LARGEST_BODY_BYTES", 1000)

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        while True:
            await response.write(b"x" * 100)

    async with served(handler) as client:
        with pytest.raises(AnswerTooLargeError, match="larger than 1000 bytes"):
            await client.get("/x")


async def test_a_token_that_is_not_accepted_is_asked_for_anew() -> None:
    class Changing(FixedToken):
        rejections = 0

        def rejected(self) -> None:
            self.rejections += 1

    token = Changing("t0ken")

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        return web.Response(status=int(request.path[1:]))

    async with served(handler, token=token) as client:
        with pytest.raises(RefusedError, match="403 Forbidden"):
            await client.get("/403")
        assert token.rejections == 0
        with pytest.raises(RefusedError, match="401 Unauthorized"):
            await client.get("/401")
        assert token.rejections == 1


async def test_of_a_long_failure_only_the_beginning_is_read() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse(status=500)
        await response.prepare(request)
        while True:
            await response.write(b"x" * 10_000)

    async with served(handler) as client:
        with pytest.raises(ClusterUnavailableError, match="GET /x: 500 Internal Server Error"):
            await client.get("/x")


async def test_an_answer_that_does_not_come_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client_module, "REQUEST_SECONDS", 0.1)

    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        await asyncio.sleep(5)
        return web.Response()

    async with served(handler) as client:
        with pytest.raises(ClusterUnavailableError, match="GET /x: no answer in time"):
            await client.get("/x")


async def test_an_answer_that_breaks_off_is_no_answer() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        response = web.StreamResponse()
        response.content_length = 100
        await response.prepare(request)
        await response.write(b"half")
        assert request.transport is not None
        request.transport.abort()
        return response

    async with served(handler) as client:
        with pytest.raises(ClusterUnavailableError, match="GET /x: "):
            await client.get("/x")


async def test_outside_its_block_the_client_says_so() -> None:
    config = ClusterConfig("http://127.0.0.1:1", None, True, None, None, FixedToken())  # noqa: FBT003 - verify
    with pytest.raises(RuntimeError, match="outside its `async with`"):
        await ApiClient(config, None).get("/x")
