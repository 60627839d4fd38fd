"""What the benchmark writes: one JSON document. Times are milliseconds, rates are per second."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
from bench.frame import Spread, spread
from bench.machine import Machine  # noqa: TC002 (msgspec reads the annotation)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from bench.children import Others
    from bench.loading import Load


RATE = "requests a second"
COST = "requests a second of the webhook's CPU time"
"""Which other programs disturb less."""

QUIET = 0.1
"""Others may use this share of the machine without its being called disturbed."""

LEASE_WRITE = "PATCH leases"
"""The control plane's own components update their Leases (PUT); only the replicas patch theirs."""


class Writes(msgspec.Struct, frozen=True):
    """What the API server was asked to write meanwhile, by its own metrics: counts by verb and resource.

    The pods that the benchmark creates are not among them.
    """

    seconds: float
    counts: dict[str, int]


class Sample(msgspec.Struct, frozen=True):
    """One measurement. CPU times are by process and for each request."""

    requests: int
    per_second: float
    p50_ms: float
    p99_ms: float
    cpu_ms: dict[str, float]
    others: float
    """Share of the machine's CPU time that went to programs outside the benchmark, from 0 to 1."""
    writes: Writes | None = None


class Series(msgspec.Struct, frozen=True):
    """The same measurement in every round."""

    name: str
    clients: int
    samples: list[Sample]

    def spread(self, figure: Callable[[Sample], float]) -> Spread:
        """Return the spread of a figure over the rounds."""
        return spread(map(figure, self.samples))

    def cpu_ms(self, process: str) -> Spread | None:
        """Return the spread of a process's CPU time per request, or None if it took no part."""
        if process not in self.samples[0].cpu_ms:
            return None
        return self.spread(lambda sample: sample.cpu_ms[process])


class Ratio(msgspec.Struct, frozen=True):
    """One series compared with another of the same number of clients, round by round."""

    name: str
    clients: int
    what: str
    """The rate, or the CPU time of the webhook."""
    median: float
    lowest: float
    highest: float

    @property
    def spread(self) -> Spread:
        """Median, lowest and highest."""
        return Spread(self.median, self.lowest, self.highest)


class Webhook(msgspec.Struct, frozen=True):
    """The webhook alone."""

    seconds: float
    review_bytes: int
    series: list[Series]
    ratios: list[Ratio]


class Cluster(msgspec.Struct, frozen=True):
    """Pod creates on a control plane."""

    kubernetes: str
    controllers: bool
    pods: int
    pod_bytes: int
    series: list[Series]
    ratios: list[Ratio]
    idle: list[Writes]
    """While three replicas run and nobody creates pods."""


class Passage(msgspec.Struct, frozen=True):
    """So many pods, from the creation of the first to the removal of the last."""

    pods: int
    seconds_until_running: float
    seconds_until_gone: float
    cpu_ms: dict[str, float]
    """Of each process, for each pod, or a second where nothing happens."""
    others: float


class Life(msgspec.Struct, frozen=True):
    """The same passage in every round."""

    name: str
    passages: list[Passage]

    def spread(self, figure: Callable[[Passage], float]) -> Spread:
        """Return the spread of a figure over the rounds."""
        return spread(map(figure, self.passages))

    def cpu_ms(self, process: str) -> Spread | None:
        """Return the spread of a process's CPU time, or None if it took no part."""
        if process not in self.passages[0].cpu_ms:
            return None
        return self.spread(lambda passage: passage.cpu_ms[process])


class Gap(msgspec.Struct, frozen=True):
    """What clients saw of one disturbance. Times are milliseconds."""

    creates: int
    failed: dict[str, int]
    """Creates that failed, by what the client was told."""
    longest_gap_ms: float
    """The longest time in which no create succeeded."""
    longest_create_ms: float
    known_ms: float
    """For how long nobody led by the replicas' own metric, in the one where it grew most."""


class Disturbance(msgspec.Struct, frozen=True):
    """The same disturbance in every round."""

    name: str
    gaps: list[Gap]

    def spread(self, figure: Callable[[Gap], float]) -> Spread:
        """Return the spread of a figure over the rounds."""
        return spread(map(figure, self.gaps))


class Takeover(msgspec.Struct, frozen=True):
    """Creates that go on while the leader goes."""

    kubernetes: str
    replicas: int
    clients: int
    disturbances: list[Disturbance]


class Start(msgspec.Struct, frozen=True):
    """One start of a replica, until it is ready."""

    seconds: float
    cpu_seconds: float
    memory_mib: float
    peak_mib: float
    held: int
    """How many addresses it has found in use."""
    others: float
    """Share of the machine's CPU time that went to other programs meanwhile, the control plane's among them."""


class Population(msgspec.Struct, frozen=True):
    """Starts with the same objects in the cluster."""

    name: str
    starts: list[Start]

    def spread(self, figure: Callable[[Start], float]) -> Spread:
        """Return the spread of a figure over the rounds."""
        return spread(map(figure, self.starts))


class Storm(msgspec.Struct, frozen=True):
    """A restart of all virtual machines at once."""

    writes: Writes
    """Beside those of the stand-in for virt-controller."""
    renewals: int
    """How many writes of the Lease are no more than an idle leader's."""
    moved: int
    """How many virtual machines have other addresses than before."""
    held: int
    """How many addresses are in use afterwards."""
    memory_before_mib: float
    memory_after_mib: float
    peak_mib: float

    @property
    def lease_writes(self) -> int:
        """How often the Lease was written."""
        return self.writes.counts.get(LEASE_WRITE, 0)

    @property
    def beyond(self) -> int:
        """How many of these an idle leader would not have made."""
        return max(0, self.lease_writes - self.renewals)


class Machines(msgspec.Struct, frozen=True):
    """What virtual machines in great number cost."""

    kubernetes: str
    machines: int
    sizes: dict[str, int]
    """Bytes of one object of each kind, as the API server hands it out."""
    populations: list[Population]
    idle: Writes
    storm: Storm


class Nodes(msgspec.Struct, frozen=True):
    """Pods from their creation to their removal, with controllers and simulated nodes."""

    kubernetes: str
    nodes: int
    replicas: int
    series: list[Life]
    idle: list[Life]
    """What the same processes use while nothing happens: CPU ms a second."""


class Run(msgspec.Struct, frozen=True):
    """When, where and how something was measured."""

    command: list[str]
    commit: str
    machine: Machine
    rounds: int
    rivals: dict[str, str] = {}
    """What each name stands for that is not ours."""


class Results(msgspec.Struct, frozen=True):
    """Everything; each scenario with the run that has measured it."""

    runs: dict[str, Run]
    webhook: Webhook | None = None
    cluster: Cluster | None = None
    nodes: Nodes | None = None
    takeover: Takeover | None = None
    machines: Machines | None = None

    def write(self, path: Path) -> None:
        """Write the document."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(msgspec.json.format(msgspec.json.encode(self)) + b"\n")

    def with_scenario(self, name: str, run: Run, measured: object) -> Results:
        """These, and what one more scenario has shown."""
        return msgspec.structs.replace(self, runs=self.runs | {name: run}, **{name: measured})

    def over(self, earlier: Results) -> Results:
        """What was measured now, and what only an earlier run has measured."""
        measured = {name: getattr(self, name) for name in self.runs}
        return msgspec.structs.replace(earlier, runs=earlier.runs | self.runs, **measured)


def read_results(path: Path) -> Results:
    """Read a document that was written so."""
    return msgspec.json.decode(path.read_bytes(), type=Results)


def sample(load: Load, cpu_seconds: Mapping[str, float], others: Others) -> Sample:
    """Put together what one measurement has shown: of the load, and of the CPU time of the processes concerned."""
    return Sample(
        requests=load.requests,
        per_second=load.requests_per_second,
        p50_ms=load.p50_us / 1000,
        p99_ms=load.p99_us / 1000,
        cpu_ms={name: seconds * 1000 / load.sent for name, seconds in cpu_seconds.items()},
        others=others.share(sum(cpu_seconds.values())),
    )


def quietest(measure: Callable[[], Sample], repeats: int) -> Sample:
    """Measure, and again up to so many times while other programs use the machine; the quietest measurement counts."""
    best = measure()
    while best.others > QUIET and repeats > 0:
        repeats -= 1
        best = min(best, measure(), key=lambda each: each.others)
    return best


def find(series: Sequence[Series], name: str, clients: int) -> Series:
    """Return one of the series."""
    return next(each for each in series if each.name == name and each.clients == clients)


def ratio(name: str, ours: Series, theirs: Series, what: str = RATE) -> Ratio:
    """Compare two series, round by round, so that a machine that gets slower does not count.

    Args:
        name: of the ratio.
        ours: what is compared.
        theirs: what it is compared with.
        what: of which figure: `RATE`, or `COST`, which says how much cheaper in CPU time ours is.
    """
    pairs = zip(ours.samples, theirs.samples, strict=True)
    if what == RATE:
        found = spread(mine.per_second / other.per_second for mine, other in pairs)
    else:
        found = spread(other.cpu_ms["webhook"] / mine.cpu_ms["webhook"] for mine, other in pairs)
    return Ratio(name, ours.clients, what, found.median, found.lowest, found.highest)
