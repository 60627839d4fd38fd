"""How long creates wait when the leader goes: killed, or told to end with all the others, one after the other.

Three replicas run in the development cluster's way: the release manifest word for word but for their number, a Service
whose connections go to a random ready replica, readiness asked as a kubelet asks it. A few clients create pods one
after the other meanwhile. What they see is compared with what they see when nothing happens.
"""

from __future__ import annotations

import asyncio
import signal
import time
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import msgspec
import yaml
from bench.asking import figures
from bench.clients import Clients, gap
from bench.errors import BenchError
from bench.manifest import documents
from bench.ours import LEADS, REPLICAS
from bench.plane import KUBERNETES, started
from bench.pods import Kind, delete_all, write_body
from bench.release import make_namespace
from bench.results import Disturbance, Gap, Takeover

from devcluster.deployment import DEPLOYMENT
from devcluster.installation import ReplicaStatus, read_plan, write_plan
from devcluster.processes import ProcessId
from devcluster.scraping import Scraper
from devcluster.sync import Installation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

CLIENTS = 4
NOTHING, KILLED, ROLLED = "nothing", "kill -9 of the leader", "SIGTERM to each in turn"
WITHOUT_LEADER = "kubemacpool_without_leader_seconds_total"
POLL_SECONDS = 0.1
# Creates before and after a disturbance, so that its edges are seen.
MARGIN_SECONDS = 1.0
SETTLED_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: rounds, and for how many seconds when nothing happens."""

    rounds: int
    seconds: float


def measure(directory: Path, extent: Extent, progress: Callable[[str], None]) -> Takeover:
    """Measure every disturbance in every round, in turns."""
    directory.mkdir(parents=True, exist_ok=True)
    with started(directory, progress) as control_plane:
        make_namespace(control_plane)
        bench = _Bench(control_plane, directory)
        bench.install()
        disturbances: dict[str, Callable[[], Awaitable[None]]] = {
            NOTHING: partial(asyncio.sleep, extent.seconds),
            KILLED: bench.kill,
            ROLLED: bench.roll,
        }
        gaps: dict[str, list[Gap]] = {name: [] for name in disturbances}
        for number in range(extent.rounds):
            for name, disturb in disturbances.items():
                progress(f"round {number + 1} of {extent.rounds}: {name}")
                gaps[name].append(asyncio.run(bench.observe(disturb)))
                delete_all(control_plane.api)
    return Takeover(KUBERNETES, REPLICAS, CLIENTS, [Disturbance(name, each) for name, each in gaps.items()])


class _Bench:
    """An installation, and what may happen to it."""

    def __init__(self, control_plane: ControlPlane, directory: Path) -> None:
        self._control_plane = control_plane
        self._directory = directory
        self._installation = Installation(control_plane)
        self._scraper = Scraper(control_plane)
        self._body = write_body(directory, Kind.NETWORKS).read_bytes()

    def install(self) -> None:
        """Install the release manifest, with as many replicas as we want."""
        manifest = self._directory / "manifest.yaml"
        everything = documents()
        for document in everything:
            if document["kind"] == "Deployment":
                spec = document["spec"]
                if not isinstance(spec, dict):
                    message = f"Deployment {DEPLOYMENT} in the release manifest has no spec."
                    raise BenchError(message)
                spec["replicas"] = REPLICAS
        manifest.write_text(yaml.safe_dump_all(everything), encoding="utf-8")
        self._installation.sync(manifest=manifest)

    async def observe(self, disturb: Callable[[], Awaitable[None]]) -> Gap:
        """Have pods created while something happens."""
        await self._steady()
        counters = _Counters(self._replicas, self._scraper)
        counting = asyncio.create_task(counters.run())
        try:
            async with Clients(self._control_plane, self._body, CLIENTS) as clients:
                await asyncio.sleep(MARGIN_SECONDS)
                await disturb()
                await asyncio.sleep(MARGIN_SECONDS)
                await clients.finish()
        finally:
            counting.cancel()
            with suppress(asyncio.CancelledError):
                await counting
        return gap(clients.creates, counters.longest * 1000)

    async def kill(self) -> None:
        """Kill the leader, and wait until there are as many replicas as before."""
        replica = self._leader()
        process = None if replica.pid is None else ProcessId.of(replica.pid)
        if process is None:
            message = f"{replica.name}, which leads, does not run; see {replica.log}."
            raise BenchError(message)
        process.send(signal.SIGKILL)
        await self._steady(other_than=process.pid)

    async def roll(self) -> None:
        """Replace every replica in good order, one after the other."""
        plan = read_plan(self._control_plane.layout)
        if plan is None:
            message = "The supervisor of the replicas has no plan."
            raise BenchError(message)
        write_plan(self._control_plane.layout, msgspec.structs.replace(plan, revision=plan.revision + 1))
        await asyncio.to_thread(self._installation.wait_ready)
        await self._steady()

    async def _steady(self, other_than: int | None = None) -> None:
        """Wait until all are ready, and one leads."""
        until = time.monotonic() + SETTLED_SECONDS
        while time.monotonic() < until:
            replicas = self._replicas()
            ready = [each for each in replicas if each.state == "ready" and each.pid != other_than]
            if len(ready) == len(replicas) == REPLICAS:
                leading = [(await _figures(each, self._scraper)).get(LEADS) for each in ready]
                if leading.count(1.0) == 1:
                    return
            await asyncio.sleep(POLL_SECONDS)
        message = f"The replicas were not all ready again after {SETTLED_SECONDS:.0f} s."
        raise BenchError(message)

    def _leader(self) -> ReplicaStatus:
        for each in self._replicas():
            if figures(urlsplit(each.metrics_url).netloc, self._scraper).get(LEADS):
                return each
        message = "No replica leads."
        raise BenchError(message)

    def _replicas(self) -> list[ReplicaStatus]:
        status = self._installation.status()
        if status is None:
            message = "Nobody supervises the replicas."
            raise BenchError(message)
        return status.replicas


class _Counters:
    """How long nobody has led, as far as each process knows, since it was first asked."""

    def __init__(self, replicas: Callable[[], list[ReplicaStatus]], scraper: Scraper) -> None:
        self._replicas = replicas
        self._scraper = scraper
        self._first: dict[int, float] = {}
        self._last: dict[int, float] = {}

    @property
    def longest(self) -> float:
        """In seconds, of the one that knows of the most."""
        return max((last - self._first[pid] for pid, last in self._last.items()), default=0.0)

    async def run(self) -> None:
        """Ask every process again and again."""
        while True:
            for each in self._replicas():
                seconds = (await _figures(each, self._scraper)).get(WITHOUT_LEADER)
                if seconds is not None and each.pid is not None:
                    self._first.setdefault(each.pid, seconds)
                    self._last[each.pid] = seconds
            await asyncio.sleep(POLL_SECONDS)


async def _figures(replica: ReplicaStatus, scraper: Scraper) -> dict[str, float]:
    """A replica's metrics; nothing while it does not answer."""
    try:
        return await asyncio.to_thread(figures, urlsplit(replica.metrics_url).netloc, scraper)
    except OSError:
        return {}
