"""What an event costs whoever follows the cluster: a recorded watch over a socket, read by the real parts.

The first case is the floor: it reads the same bytes from the same kind of connection (uvloop, TLS) and throws them
away. What the others take beyond it is our own code, and what we have chosen to stand between the socket and it. CPU
time is this process's; the server is another one (`bench.replay`).

    .venv/bin/python -m bench.following --help
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from ipaddress import ip_address
from pathlib import Path
from typing import TYPE_CHECKING

from bench.frame import script
from bench.replay import FIRST_VERSION, HOST, events_of

from kubemacpool.certs.contexts import client_context
from kubemacpool.certs.issue import ServerNames, issue_authority, issue_serving
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
    from collections.abc import Callable, Coroutine, Iterator, Mapping
    from typing import TypeAlias

    from bench.frame import Case

    Following: TypeAlias = Callable[["Replay"], Coroutine[None, None, float]]

FIGURE = "CPU µs an event"
FLOOR, PLAIN, NETWORKS = "reading the bytes", "plain pods", "two networks"
RANGE = AddressRange(0x02_00_00_00_00_00, 0xFD_FF_FF_FF_FF_FF)
LIVES = 200
# A pod is six events; so this is 150 pods that come and go each second.
PER_SECOND = 1000.0
LAST_BYTES = b'"BOOKMARK"'


class Replay:
    """A server that replays, and how it is reached.

    Attributes:
        port: its port.
        context: how to trust it.
        events: how many there are in its watch, before the bookmark that ends it.
    """

    def __init__(self, port: int, context: ssl.SSLContext, events: int) -> None:
        self.port = port
        self.context = context
        self.events = events


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


async def read(replay: Replay) -> float:
    """Read the watch; give the seconds of CPU time."""
    loop = asyncio.get_running_loop()
    done: asyncio.Future[float] = loop.create_future()
    transport, _ = await loop.create_connection(lambda: _Reader(done), HOST, replay.port, ssl=replay.context)
    try:
        return await done
    finally:
        transport.abort()


async def follow(replay: Replay) -> float:
    """Follow the pods with the real parts; give the seconds of CPU time from the first event to the last."""
    clock, measures = MonotonicClock(), Metrics()
    ledger = Ledger(Pool([RANGE]), in_flight_bound=DEFAULT_WAIT_TIME, cool_down=DEFAULT_WAIT_TIME)
    follower = Follower(POD, Population(ledger), Readiness(), measures, clock)
    follower.begin()
    listener = SettingAside(POD, follower, lambda: False, Trials(clock), measures)
    config = ClusterConfig(f"https://{HOST}:{replay.port}", None, True, None, None, FixedToken())  # noqa: FBT003 (verified)
    async with ApiClient(config, lambda: replay.context) as client:
        reflector = Reflector(client, PODS, PodDecoder(), listener)
        reflector.on_idle = follower.progress.idle
        task = asyncio.create_task(reflector.run())
        try:
            await follower.progress.until(FIRST_VERSION + 1)
            began = time.process_time()
            await follower.progress.until(FIRST_VERSION + replay.events + 1)
            return time.process_time() - began
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


@contextmanager
def replaying(directory: Path, *, networks: bool, pods: int, per_second: float) -> Iterator[Replay]:
    """Have a server that replays the lives of so many pods."""
    now = datetime.now(UTC)
    authority = issue_authority(now)
    pair = issue_serving(authority, ServerNames(["localhost"], [ip_address(HOST)]), now)
    directory.mkdir()
    certificate, key = directory / "server.crt", directory / "server.key"
    certificate.write_bytes(pair.certificate_pem)
    key.write_bytes(pair.key_pem)
    options = [str(certificate), str(key), str(pods), str(per_second), *["networks"] * networks]
    with subprocess.Popen(
        [sys.executable, "-m", "bench.replay", *options], stdout=subprocess.PIPE, text=True
    ) as server:
        try:
            port = int(server.stdout.readline() if server.stdout is not None else "")
            yield Replay(port, client_context(authority.certificate_pem), events_of(pods))
        finally:
            server.kill()


@contextmanager
def cases(directory: Path, pods: int = LIVES, per_second: float = PER_SECOND) -> Iterator[Mapping[str, Case]]:
    """Have the servers that the cases need."""

    def case(following: Following, replay: Replay) -> Case:
        def measure() -> Mapping[str, float]:
            with asyncio.Runner(loop_factory=Loop) as runner:
                return {FIGURE: runner.run(following(replay)) / replay.events * 1e6}

        return measure

    with (
        replaying(directory / "plain", networks=False, pods=pods, per_second=per_second) as plain,
        replaying(directory / "networks", networks=True, pods=pods, per_second=per_second) as networks,
    ):
        yield {FLOOR: case(read, plain), PLAIN: case(follow, plain), NETWORKS: case(follow, networks)}


def main() -> None:
    """Print what an event costs."""
    configure_logs("warning", "json")
    with tempfile.TemporaryDirectory() as directory, cases(Path(directory)) as found:
        script("An event of a pod, beside reading the same bytes", found)


if __name__ == "__main__":
    main()
