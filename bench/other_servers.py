"""The webhook alone behind another HTTP server, as a process of its own: what `bench/servers.py` compares ours with.

Called as `python -m bench.other_servers aiohttp|uvicorn|granian PORT CERTIFICATE KEY`.
"""

from __future__ import annotations

import asyncio
import sys
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import uvloop
from aiohttp import web
from bench.alone import alone

from kubemacpool.certs.contexts import server_context
from kubemacpool.server.routes import MUTATE_PODS
from kubemacpool.telemetry.logs import configure_logs

if TYPE_CHECKING:
    import ssl
    from collections.abc import Awaitable, Callable, MutableMapping

    from kubemacpool.admission.webhook import Webhook

HOST = "127.0.0.1"
PATIENCE = 10.0


@cache
def webhook() -> Webhook:
    """The same handler for all of them, put together where it runs."""
    configure_logs("info", "json")
    return alone().webhooks[MUTATE_PODS]


async def application(
    scope: MutableMapping[str, Any],
    receive: Callable[[], Awaitable[MutableMapping[str, Any]]],
    send: Callable[[MutableMapping[str, Any]], Awaitable[None]],
) -> None:
    """An ASGI application that does what our routes do, without their bounds."""
    if scope["type"] == "lifespan":
        while (await receive())["type"] == "lifespan.startup":
            await send({"type": "lifespan.startup.complete"})
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = b""
    more = True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    answer = await webhook().answer(body, PATIENCE, forwarded=False)
    headers = [(b"content-type", answer.content_type.encode()), (b"content-length", str(len(answer.body)).encode())]
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})


async def _serve_aiohttp(port: int, tls: ssl.SSLContext) -> None:
    async def review(request: web.BaseRequest) -> web.Response:
        answer = await webhook().answer(await request.read(), PATIENCE, forwarded=False)
        return web.Response(status=answer.status, body=answer.body, content_type=answer.content_type)

    runner = web.ServerRunner(web.Server(review, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, HOST, port, ssl_context=tls).start()
    await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve. What is not locked for development is imported where it is used."""
    name, port, certificate, key = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3]), Path(sys.argv[4])
    if name == "aiohttp":
        uvloop.run(_serve_aiohttp(port, server_context(certificate.read_bytes(), key.read_bytes())))
    elif name == "uvicorn":
        import uvicorn  # noqa: PLC0415 (only in the environment of `make bench-servers`)

        uvicorn.run(
            application,
            host=HOST,
            port=port,
            ssl_certfile=certificate,
            ssl_keyfile=key,
            http="httptools",
            loop="uvloop",
            access_log=False,
            log_level="warning",
        )
    else:
        from granian import Granian  # noqa: PLC0415 (same)
        from granian.constants import Interfaces, Loops  # noqa: PLC0415 (same)

        Granian(
            "bench.other_servers:application",
            address=HOST,
            port=port,
            interface=Interfaces.ASGI,
            loop=Loops.uvloop,
            workers=1,
            log_access=False,
            ssl_cert=certificate,
            ssl_key=key,
        ).serve()


if __name__ == "__main__":
    main()
