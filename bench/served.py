"""The webhook alone (`bench/alone.py`), as a process behind the program's own HTTPS server.

Called by the benchmark as `python -m bench.served PORT CERTIFICATE KEY`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop
from bench.alone import alone

from kubemacpool.certs.contexts import server_context
from kubemacpool.memory import Collector
from kubemacpool.server.https import Server
from kubemacpool.server.routes import MUTATE_PODS, webhook_routes
from kubemacpool.telemetry.logs import configure_logs

if TYPE_CHECKING:
    import ssl

HOST = "127.0.0.1"


async def serve(port: int, tls: ssl.SSLContext) -> None:
    """Serve until the process is ended."""
    answer = alone().webhooks[MUTATE_PODS].answer
    server = Server(webhook_routes({MUTATE_PODS: answer}, tuple), tls)
    await server.start(HOST, port)
    collector = asyncio.create_task(Collector(lambda: True).run())
    await collector


def main() -> None:
    """Read the arguments and serve."""
    configure_logs("info", "json")
    port, certificate, key = sys.argv[1:]
    tls = server_context(Path(certificate).read_bytes(), Path(key).read_bytes())
    uvloop.run(serve(int(port), tls))


if __name__ == "__main__":
    main()
