"""The webhook alone, as a process: the program's own web server, routing, admission, allocator and pool, no cluster.

What is left out is what talks to the cluster. In the place of the election stands one that always holds, and whose
Lease says at once what it should; in the place of the watch, every pod is seen a moment after its addresses were
allocated. None is deleted: the ledger grows as it would under a storm of new pods.

Called by the benchmark as `python -m bench.served PORT CERTIFICATE KEY`.
"""

from __future__ import annotations

import asyncio
import sys
from itertools import count
from pathlib import Path
from typing import TYPE_CHECKING

import uvloop

from kubemacpool.admission.allocation import LocalAllocator
from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pods import Place, PodAdmission
from kubemacpool.admission.policies import ConflictPolicy, NamespacePolicies
from kubemacpool.admission.webhook import Router
from kubemacpool.certs.contexts import server_context
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.requests import Allocated
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import PeerError
from kubemacpool.runtime import MonotonicClock
from kubemacpool.server.https import Server
from kubemacpool.server.routes import MUTATE_PODS, webhook_routes
from kubemacpool.settings import DEFAULT_WAIT_TIME
from kubemacpool.telemetry.logs import configure_logs
from kubemacpool.telemetry.metrics import Metrics

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterable

    from kubemacpool.core.requests import AddressRequest, Decision, Unreserved
    from kubemacpool.ports import Clock
    from kubemacpool.wire.review import Answer

HOST = "127.0.0.1"
# The range as shipped.
RANGE = AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)


class CertainElection:
    """This replica decides, always (implements `Leadership` and `Leadership`)."""

    leading = True
    leader_endpoint = None
    out_of_touch = False

    def __init__(self, allocator: Allocator) -> None:
        """Name nothing yet."""
        self._allocator = allocator

    def check(self) -> None:
        """It may decide."""

    def extend_soon(self) -> None:
        """Write the Lease after this request, as the real election does in a task of its own."""
        asyncio.get_running_loop().call_soon(self._extend)

    async def reserve(self, unreserved: Unreserved) -> None:
        """Write the Lease at once."""
        self._write(unreserved.addresses, unreserved.automatic)

    @property
    def seconds_since_renewal(self) -> float:
        """The Lease is as new as it can be."""
        return 0.0

    async def until_changed(self, seconds: float) -> None:
        """Nothing ever changes."""
        await asyncio.sleep(seconds)

    def _extend(self) -> None:
        if self._allocator.is_short:
            self._write((), 0)

    def _write(self, addresses: Iterable[int], automatic: int) -> None:
        self._allocator.reservations.confirm(self._allocator.next_update(addresses, automatic).reserved)


class QuickCluster:
    """An allocator after which every pod is seen at once (implements `AddressAllocator`)."""

    def __init__(self, allocator: LocalAllocator, ledger: Ledger, clock: Clock) -> None:
        """See nothing yet."""
        self._allocator = allocator
        self._ledger = ledger
        self._clock = clock
        self._uids = count()

    async def decide(self, request: AddressRequest) -> Decision:
        """Decide, and have the pod seen as soon as it was answered."""
        decision = await self._allocator.decide(request)
        if isinstance(decision, Allocated):
            asyncio.get_running_loop().call_soon(self._see, request.party, decision.addresses)
        return decision

    def _see(self, party: Party, addresses: tuple[int, ...]) -> None:
        key = ObjectKey(party.kind, party.namespace, party.name)
        self._ledger.observe(Holder(key, str(next(self._uids)), party, addresses), self._clock.now())


class NoPeer:
    """There is no other replica (implements `Peer`)."""

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:  # noqa: ARG002 (the port's signature)
        """Fail."""
        raise PeerError("there is no other replica")


async def serve(port: int, tls: ssl.SSLContext) -> None:
    """Serve until the process is ended."""
    clock, metrics = MonotonicClock(), Metrics()
    ledger = Ledger(Pool([RANGE]), in_flight_bound=DEFAULT_WAIT_TIME, cool_down=DEFAULT_WAIT_TIME)
    metrics.follow(ledger)
    allocator = Allocator(ledger)
    election = CertainElection(allocator)
    cluster = QuickCluster(LocalAllocator(allocator, election, lambda _: None, clock), ledger, clock)
    policies = NamespacePolicies(ConflictPolicy.REJECT, Readiness(), lambda: None)
    place = Place("", lambda: ledger.pool)
    admission = PodAdmission(cluster, policies, Owners(Families(), clock), place, metrics, clock)
    router = Router(MUTATE_PODS, admission.answer, election, Forwarder(election, NoPeer(), clock), metrics, clock)
    server = Server(webhook_routes({MUTATE_PODS: router.answer}, tuple), tls)
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
