"""The guard before the webhook's routes, over real TLS and on the loop of the program."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import NamedTuple

import aiohttp
import pytest
from tests.unit.certs.test_identity import FIRST, NAME, SECOND, client_of, credentials, identity_of

from kubemacpool.certs.contexts import client_context
from kubemacpool.certs.identity import Identity
from kubemacpool.runtime import Loop
from kubemacpool.server.https import Server
from kubemacpool.server.messages import Request, Response, text
from kubemacpool.server.peers import FORWARDED
from kubemacpool.server.routes import guarded


def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """The loop of the program: what it tells of a connection is its own."""
    return {"uvloop": Loop}


class Door(NamedTuple):
    """A server that refuses whom the test says, and what was judged there."""

    url: str
    identity: Identity
    judged: list[tuple[bytes | None, bool]]
    refusals: list[str]
    reached: list[str]


@asynccontextmanager
async def door() -> AsyncIterator[Door]:
    """Listens."""
    identity = identity_of(credentials(FIRST))
    made = Door("", identity, [], [], [])

    def judge(certificate: bytes | None, *, forwarded: bool) -> str:
        made.judged.append((certificate, forwarded))
        return "".join(made.refusals)

    async def handler(request: Request) -> Response:
        made.reached.append(request.method)
        return text(200, "served")

    routes = guarded({("POST", "/"): handler, ("GET", "/"): handler}, judge, lambda: identity.handshakes)
    server = Server(routes, identity.webhook)
    port = await server.start("127.0.0.1", 0)
    try:
        yield made._replace(url=f"https://127.0.0.1:{port}/")
    finally:
        await server.drain(1.0)


@asynccontextmanager
async def client(tls: ssl.SSLContext) -> AsyncIterator[aiohttp.ClientSession]:
    """With one connection at most."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls, limit=1)) as session:
        yield session


async def test_the_certificate_of_the_connection_and_the_claim_are_judged() -> None:
    nobody = client_context(FIRST.certificate_pem)
    async with door() as here:
        for tls, headers in ((nobody, {}), (nobody, {FORWARDED: "1"}), (client_of(FIRST), {FORWARDED: "1"})):
            async with (
                client(tls) as session,
                session.post(here.url, data=b"x", headers=headers, server_hostname=NAME) as answer,
            ):
                assert answer.status == 200
    assert [(certificate is None, forwarded) for certificate, forwarded in here.judged] == [
        (True, False),
        (True, True),
        (False, True),
    ]


async def test_who_may_not_ask_is_told_why_and_nothing_of_him_is_read() -> None:
    async with door() as here, client(client_context(FIRST.certificate_pem)) as session:
        here.refusals.append("you may not")
        async with session.post(here.url, data=b"x", server_hostname=NAME) as answer:
            assert (answer.status, await answer.text()) == (403, "kubemacpool: you may not\n")
            assert answer.headers["Connection"] == "close"
        async with session.get(here.url, server_hostname=NAME) as answer:
            assert answer.status == 200
    assert here.reached == ["GET"]
    assert len(here.judged) == 1


@pytest.mark.parametrize("changed", [False, True])
async def test_a_connection_that_was_made_under_another_trust_is_closed_with_its_answer(*, changed: bool) -> None:
    async with door() as here, client(client_of(FIRST)) as session:
        async with session.post(here.url, data=b"x", server_hostname=NAME) as answer:
            assert "Connection" not in answer.headers
        if changed:
            here.identity.take_up(credentials(SECOND, FIRST))
        async with session.post(here.url, data=b"x", server_hostname=NAME) as answer:
            assert answer.status == 200
            assert (answer.headers.get("Connection") == "close") is changed


async def test_who_is_gone_already_is_not_judged() -> None:
    async def handler(_: Request) -> Response:
        raise AssertionError

    routes = guarded({("POST", "/"): handler}, lambda *_, **__: "", lambda: (ssl.create_default_context(),))
    request = Request("POST", "/", {})
    request.gone = True
    with pytest.raises(ConnectionError, match="the client is gone"):
        await routes["POST", "/"](request)
