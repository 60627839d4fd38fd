"""What grows while everything goes on: sampled now and then, and judged at the end. The judging is pure."""

from __future__ import annotations

import asyncio
import statistics
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec

from chaos.cluster import UnexpectedError
from chaos.targets import Target
from chaos.weighing import resident

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.prometheus import Prometheus

    from chaos.stage import Stage

SECRETS: Final = "/api/v1/namespaces/kubemacpool-system/secrets"
EVENTS: Final = "/api/v1/events?limit=1"
SAMPLE_SECONDS: Final = 5.0

SETTLED: Final = 0.2
"""The first part of a run, which is not compared: caches fill, the tenant moves in."""

COMPARED: Final = 0.2
"""The part after that, and the last one, whose medians are compared."""

FEWEST: Final = 10
"""Samples by which a growth can be told."""

RESIDENT: Final = "resident bytes"
DESCRIPTORS: Final = "file descriptors"
TASKS: Final = "tasks"
LOG: Final = "log bytes"
SECRETS_THERE: Final = "Secrets"
SERIES: Final = "series in Prometheus"
TASKS_FIGURE: Final = "kubemacpool_asyncio_tasks"
EVENTS_THERE: Final = "Events"


CLUSTER: Final = "the cluster"


class Allowance(msgspec.Struct, frozen=True):
    """How much more of something there may be at the end: a share of the beginning, and a number."""

    share: float
    more: float


ALLOWED: Final[Mapping[str, Allowance]] = {
    # Pages that the allocator keeps: a leak of one kilobyte in a hundred creates would be twice that in an hour.
    RESIDENT: Allowance(0.10, 16 << 20),
    # A follower that has become the leader has a connection to each replica, and others one to it.
    DESCRIPTORS: Allowance(0.10, 40),
    TASKS: Allowance(0.10, 20),
    SECRETS_THERE: Allowance(0.0, 0),
    # Of a replica: labels that a tenant can make up would show here. A leader has some that a follower has not.
    SERIES: Allowance(0.10, 100),
}
"""What is bounded by a rate is not compared: log bytes by requests, Events by their token bucket and their hour."""


class Series(msgspec.Struct, frozen=True):
    """One figure over time, of one process or of the cluster."""

    what: str
    of: str
    samples: list[tuple[float, float]]
    """Seconds since the beginning, and the figure."""

    def ends(self, seconds: float) -> tuple[float, float] | None:
        """The medians of the part after the beginning and of the last part; None where there are too few samples."""
        early = [each for at, each in self.samples if SETTLED * seconds <= at < (SETTLED + COMPARED) * seconds]
        late = [each for at, each in self.samples if at >= (1 - COMPARED) * seconds]
        if min(len(early), len(late)) < FEWEST:
            return None
        return statistics.median(early), statistics.median(late)


class Growth(msgspec.Struct, frozen=True):
    """Everything that was sampled."""

    seconds: float
    series: list[Series]

    def targets(self) -> list[Target]:
        """Check that nothing has grown beyond its allowance; a figure that was hardly sampled is a fault as well."""
        found = []
        for what, allowed in ALLOWED.items():
            ends = {each.of: each.ends(self.seconds) for each in self.series if each.what == what}
            known = {of: each for of, each in ends.items() if each is not None}
            over = [of for of, (early, late) in known.items() if late > early * (1 + allowed.share) + allowed.more]
            said = "; ".join(f"{of}: {early:,.0f} to {late:,.0f}" for of, (early, late) in sorted(known.items()))
            found.append(Target(f"{what} do not grow", bool(known) and not over, said or "too few samples"))
        return found


class Sampler:
    """Samples what replicas and cluster have.

    Args:
        stage: where they are.
        prometheus: who scrapes them meanwhile.
    """

    def __init__(self, stage: Stage, prometheus: Prometheus | None = None) -> None:
        self._stage = stage
        self._prometheus = prometheus
        self._began = time.monotonic()
        self._samples: dict[tuple[str, str], list[tuple[float, float]]] = {}

    async def run(self) -> None:
        """Sample until cancelled."""
        while True:
            await self._look()
            await asyncio.sleep(SAMPLE_SECONDS)

    def growth(self) -> Growth:
        """What was found; of processes that have ended as well."""
        series = [Series(what, of, samples) for (what, of), samples in self._samples.items()]
        return Growth(time.monotonic() - self._began, series)

    async def _look(self) -> None:
        for replica in self._stage.replicas():
            if replica.pid is None:
                continue
            of = f"{replica.name} (process {replica.pid})"
            with suppress(OSError):  # the process has just ended
                for what, figure in _of_process(replica.pid, replica.log).items():
                    self._note(what, of, figure)
            with suppress(aiohttp.ClientError, OSError, TimeoutError):  # it is paused, or cut off and new
                self._note(TASKS, of, (await self._stage.metrics(replica))[TASKS_FIGURE])
        try:
            secrets = await self._stage.cluster.read(SECRETS, _List)
            events = await self._stage.cluster.read(EVENTS, _List)
        except UnexpectedError:
            return  # the API server is being restarted
        if self._prometheus is not None and await self._prometheus.answers():
            for sample in await self._prometheus.query('count by (instance) ({job="kubemacpool"})'):
                self._note(SERIES, str(sample["metric"]["instance"]), float(sample["value"][1]))
        self._note(SECRETS_THERE, CLUSTER, secrets.count)
        self._note(EVENTS_THERE, CLUSTER, events.count)

    def _note(self, what: str, of: str, figure: float) -> None:
        self._samples.setdefault((what, of), []).append((time.monotonic() - self._began, figure))


class _Metadata(msgspec.Struct, rename="camel"):
    remaining_item_count: int = 0


class _List(msgspec.Struct):
    metadata: _Metadata
    items: list[msgspec.Raw] | None = None

    @property
    def count(self) -> int:
        return len(self.items or ()) + self.metadata.remaining_item_count


def _of_process(pid: int, log: str) -> dict[str, float]:
    """What the kernel says.

    Raises:
        OSError: there is no such process any more.
    """
    descriptors = sum(1 for _ in Path(f"/proc/{pid}/fd").iterdir())
    return {RESIDENT: resident(pid), DESCRIPTORS: descriptors, LOG: Path(log).stat().st_size}
