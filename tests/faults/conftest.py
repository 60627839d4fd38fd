"""The real web server over real TLS on loopback, on the event loop that the program runs on, and raw clients for it."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import pytest
import uvloop
from tests.faults.served import NAME, Scene

from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving
from kubemacpool.server import limits
from kubemacpool.server.https import Server
from kubemacpool.server.routes import webhook_routes
from kubemacpool.wire.review import Answer


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run on uvloop, as the program does: how it closes and refuses connections differs from asyncio's own."""
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def authority_and_server() -> tuple[bytes, bytes, bytes]:
    """A throw-away authority's certificate, and a server's certificate and key that it has signed."""
    now = datetime.now(UTC)
    authority = issue_authority(now)
    serving = issue_serving(authority, ServerNames((NAME,)), now)
    return authority.certificate_pem, serving.certificate_pem, serving.key_pem


@pytest.fixture(autouse=True)
def short_bounds(monkeypatch: pytest.MonkeyPatch) -> None:
    """Bounds of seconds scaled down to fractions of one; those of sizes as shipped."""
    for name, seconds in {
        "BODY_SECONDS": 0.4,
        "HANDSHAKE_SECONDS": 0.4,
        "FIRST_REQUEST_SECONDS": 0.4,
        "LINGER_SECONDS": 0.2,
        "UNREAD_SECONDS": 0.4,
        "CLOSE_SECONDS": 0.2,
        "SWEEP_SECONDS": 0.05,
        "FRESH_SECONDS": 0.2,
    }.items():
        monkeypatch.setattr(limits, name, seconds)


@pytest.fixture
async def scene(authority_and_server: tuple[bytes, bytes, bytes]) -> AsyncIterator[Scene]:
    """A running webhook server whose answer to a review each test may replace."""
    authority, certificate, key = authority_and_server
    scene = Scene(client_context(authority))
    asyncio.get_running_loop().set_exception_handler(lambda _, context: scene.complaints.append(context))

    async def answer(body: bytes, patience: float | None, *, forwarded: bool) -> Answer:  # noqa: ARG001 (as the router)
        return await scene.answer(body)

    scene.server = Server(webhook_routes({"/mutate-pods": answer}, lambda: ()), server_context(certificate, key))
    scene.port = await scene.server.start("127.0.0.1", 0)
    sweeping = asyncio.create_task(scene.server.sweep())
    yield scene
    sweeping.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await sweeping
    await scene.server.drain(1.0)
    scene.close_clients()
    assert scene.complaints == []
