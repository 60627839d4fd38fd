"""Servers that the Lease may name beside our own replicas: a stranger, and a replica of a newer program."""

from __future__ import annotations

import asyncio
import ssl
import tempfile
from base64 import b64decode
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from aiohttp import web
from tests.support.cluster_client import ConfigMap

from devcluster.loopback import HOST
from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping
    from pathlib import Path

    from tests.support.cluster_client import ClusterClient

SERVING_PAIR: Final = "/api/v1/namespaces/kubemacpool-system/secrets/kubemacpool-service"
ANSWER: Final = '{"of":"the newer one"}'
SERVER_NAME: Final = "kubemacpool-service.kubemacpool-system.svc"


@dataclass
class Stranger:
    """A server under a certificate of another authority, and what was said to it once TLS was agreed upon."""

    endpoint: str
    authority: Path
    heard: list[bytes] = field(default_factory=list)

    async def answers(self, tls: ssl.SSLContext) -> bool:
        """Whether somebody who trusts its authority is answered."""
        host, port = self.endpoint.split(":")
        reader, writer = await asyncio.open_connection(host, int(port), ssl=tls, server_hostname=SERVER_NAME)
        writer.write(b"hello\n")
        answer = await reader.readline()
        writer.close()
        return answer == b"hello\n"


@asynccontextmanager
async def stranger(directory: Path) -> AsyncIterator[Stranger]:
    """Listen on a free port, and answer everybody who trusts the wrong authority."""
    Authority(directory).server("stranger", [SERVER_NAME])
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(directory / "stranger.crt", directory / "stranger.key")

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        said = await reader.readline()
        made.heard.append(said)
        writer.write(said)
        writer.close()

    server = await asyncio.start_server(listen, HOST, 0, ssl=tls)
    host, port = server.sockets[0].getsockname()
    made = Stranger(f"{host}:{port}", directory / "ca.crt")
    try:
        yield made
    finally:
        server.close()
        await server.wait_closed()


@dataclass
class NewerReplica:
    """A server under our own certificate, and how many reviews were handed to it."""

    endpoint: str = ""
    asked: int = 0

    async def answer(self, request: web.BaseRequest) -> web.Response:
        """The same to everybody."""
        assert request.headers["Kubemacpool-Forwarded"] == "1"
        assert await request.read()
        self.asked += 1
        return web.Response(text=ANSWER, content_type="application/json")


@asynccontextmanager
async def newer_replica(cluster: ClusterClient) -> AsyncIterator[NewerReplica]:
    """Listen on a free port, as a replica of a newer program does."""
    data = (await cluster.get(SERVING_PAIR, ConfigMap)).data
    made = NewerReplica()
    runner = web.ServerRunner(web.Server(made.answer))
    await runner.setup()
    site = web.TCPSite(runner, HOST, 0, ssl_context=_server_tls(data))
    await site.start()
    host, port = runner.addresses[0]
    made.endpoint = f"{host}:{port}"
    try:
        yield made
    finally:
        await runner.cleanup()


def _server_tls(pair: Mapping[str, str]) -> ssl.SSLContext:
    """The context for a pair as a Secret has it."""
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.NamedTemporaryFile() as both:  # a context reads files only
        both.write(b64decode(pair["tls.crt"]) + b64decode(pair["tls.key"]))
        both.flush()
        tls.load_cert_chain(both.name)
    return tls
