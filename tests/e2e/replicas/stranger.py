"""A server that calls itself a replica, under a certificate of another authority."""

from __future__ import annotations

import asyncio
import ssl
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from devcluster.loopback import HOST
from devcluster.pki import Authority

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

SERVER_NAME: Final = "kubemacpool-service.kubemacpool-system.svc"


@dataclass
class Stranger:
    """Who pretends, and what was said to it once TLS was agreed upon."""

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
