"""What following the cluster costs: a recorded watch over a socket, read by the real parts and by nothing but a reader.

The reader is the floor: the same bytes over the same kind of connection (uvloop, TLS), counted and thrown away. What
ours takes beyond it is our own code, and what we have chosen to stand between the socket and it.

Called as `python -m bench.following`; the CPU time is this process's own, the server is another one.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.replay import FIRST_VERSION, HOST, events_of

from devcluster.pki import Authority
from kubemacpool.certs.contexts import client_context
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.core.population import Population
from kubemacpool.follow.follower import Follower
from kubemacpool.follow.readiness import Readiness
from kubemacpool.follow.set_aside import SettingAside, Trials
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.tokens import FixedToken
from kubemacpool.runtime import Loop, MonotonicClock
from kubemacpool.settings import DEFAULT_WAIT_TIME
from kubemacpool.telemetry.logs import configure_logs
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.pods import PodDecoder
from kubemacpool.wiring import PODS

if TYPE_CHECKING:
    import ssl
    from collections.abc import Iterator

RANGE = AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)
# Of pods that nobody asks us about, a cluster of 5,000 nodes sees some hundred events a second.
PER_SECOND = 1000.0
LAST_BYTES = b'"BOOKMARK"'


class Comparison(msgspec.Struct):
    """Microseconds of CPU time for each event, round by round."""

    events: int
    floor_us: list[float]
    ours_us: list[float]

    @property
    def own_us(self) -> float:
        """What ours takes beyond the floor, each in its quietest round."""
        return min(self.ours_us) - min(self.floor_us)

    @property
    def own_to_floor(self) -> float:
        """The same as a multiple of the floor."""
        return self.own_us / min(self.floor_us)


class _Reader(asyncio.Protocol):
    """Asks for the watch, and counts what comes."""

    def __init__(self, done: asyncio.Future[float]) -> None:
        self._done = done
        self._began = 0.0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask."""
        transport.write(b"GET /api/v1/pods?watch=1 HTTP/1.1\r\nHost: localhost\r\n\r\n")  # type: ignore[attr-defined]

    def data_received(self, data: bytes) -> None:
        """Count from the first event to the bookmark."""
        self._began = self._began or time.process_time()
        if data.find(LAST_BYTES) >= 0 and not self._done.done():
            self._done.set_result(time.process_time() - self._began)


async def floor(port: int, context: ssl.SSLContext) -> float:
    """Read the watch; give the seconds of CPU time."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[float] = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Reader(done), HOST, port, ssl=context)
    try:
        return await done
    finally:
        transport.abort()


async def ours(port: int, context: ssl.SSLContext, events: int) -> float:
    """Follow the pods with the real parts; give the seconds of CPU time from the first event to the last."""
    clock, measures, readiness = MonotonicClock(), Metrics(), Readiness()
    ledger = Ledger(Pool([RANGE]), in_flight_bound=DEFAULT_WAIT_TIME, cool_down=DEFAULT_WAIT_TIME)
    follower = Follower(POD, Population(ledger), readiness, measures, clock)
    follower.begin()
    listener = SettingAside(POD, follower, lambda: False, Trials(clock), measures)
    config = ClusterConfig(f"https://{HOST}:{port}", None, True, None, None, FixedToken())  # noqa: FBT003 (verified)
    async with ApiClient(config, lambda: context) as client:
        reflector = Reflector(client, PODS, PodDecoder(pod_network=False), listener)
        reflector.on_idle = follower.progress.idle
        task = asyncio.create_task(reflector.run())
        try:
            await follower.progress.until(FIRST_VERSION + 1)
            began = time.process_time()
            await follower.progress.until(FIRST_VERSION + events + 1)
            return time.process_time() - began
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextmanager
def replaying(directory: Path, pods: int, per_second: float) -> Iterator[tuple[int, ssl.SSLContext]]:
    """Have a server that replays; gives its port, and how to trust it."""
    authority = Authority(directory)
    authority.server("server", [HOST])
    argv = [sys.executable, "-m", "bench.replay", directory / "server.crt", directory / "server.key"]
    with subprocess.Popen([*map(str, argv), str(pods), str(per_second)], stdout=subprocess.PIPE, text=True) as server:
        try:
            port = int(server.stdout.readline() if server.stdout is not None else "")
            yield port, client_context((directory / "ca.crt").read_bytes())
        finally:
            server.kill()


def compare(directory: Path, pods: int, rounds: int, per_second: float = PER_SECOND) -> Comparison:
    """Follow so many pods from their creation to their removal, in turns with the floor."""
    events = events_of(pods)

    async def run() -> Comparison:
        found = Comparison(events, [], [])
        with replaying(directory, pods, per_second) as (port, context):
            for _ in range(rounds):
                found.floor_us.append(await floor(port, context) / events * 1e6)
                found.ours_us.append(await ours(port, context, events) / events * 1e6)
        return found

    with asyncio.Runner(loop_factory=Loop) as runner:
        return runner.run(run())


def main() -> None:
    """Print what an event costs."""
    parser = argparse.ArgumentParser(description="What following plain pods costs, beside reading the same bytes.")
    parser.add_argument("--pods", type=int, default=500)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--per-second", type=float, default=PER_SECOND, help="events")
    options = parser.parse_args()
    configure_logs("warning", "json")
    with tempfile.TemporaryDirectory() as directory:
        found = compare(Path(directory), options.pods, options.rounds, options.per_second)
    for name, figures in (("floor", found.floor_us), ("ours", found.ours_us)):
        print(f"{name:6} {statistics.median(figures):6.1f} us an event ({min(figures):.1f} to {max(figures):.1f})")
    print(f"own    {found.own_us:6.1f} us an event, {found.own_to_floor:.2f} of the floor")


if __name__ == "__main__":
    main()
