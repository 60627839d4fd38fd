"""The webhook alone, as a process: the program's own web server, admission, decider and pool, without a cluster.

What is left out is what follows the cluster. The view is declared complete and stays empty, so every grant stays
pending: the ledger grows as it would under a storm of new pods of which none has been seen yet.

Called by the benchmark as `python -m bench.served PORT CERTIFICATE KEY`.
"""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from kubemacpool.app.clock import MonotonicClock
from kubemacpool.app.settings import DEFAULT_WAIT_TIME
from kubemacpool.core.decider import Decider
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.service.admitting import PodAdmission
from kubemacpool.service.deciding import LocalDecider
from kubemacpool.service.readiness import Readiness
from kubemacpool.telemetry.logs import configure_logs
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.tls.contexts import server_context
from kubemacpool.web.endpoints import webhook_routes
from kubemacpool.web.server import Server

if TYPE_CHECKING:
    import ssl

HOST = "127.0.0.1"
# The range as shipped.
RANGE = AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)


async def serve(port: int, tls: ssl.SSLContext) -> None:
    """Serve until the process is ended."""
    clock, metrics, readiness = MonotonicClock(), Metrics(), Readiness()
    ledger = Ledger(Pool([RANGE]), in_flight_bound=DEFAULT_WAIT_TIME, cool_down=DEFAULT_WAIT_TIME)
    metrics.follow(ledger)
    decider = LocalDecider(readiness, clock)
    decider.start(Decider(ledger))
    admission = PodAdmission(decider, metrics, clock)
    server = Server(webhook_routes(admission.answer, lambda: readiness.obstacles), tls)
    await server.start(HOST, port)
    await asyncio.Event().wait()


def main() -> None:
    """Read the arguments and serve."""
    configure_logs("info", "json")
    port, certificate, key = sys.argv[1:]
    tls = server_context(Path(certificate).read_bytes(), Path(key).read_bytes())
    uvloop.run(serve(int(port), tls))


if __name__ == "__main__":
    main()
