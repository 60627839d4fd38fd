"""The results for people: one table a scenario, with ratios."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from bench.results import LEASE_WRITE
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.results import Acquisition, Cluster, Machines, Ratio, Results, Series, Writes
    from rich.console import RenderableType

EXPLAINED = (
    "Clients work at the same time. Under a process: its CPU ms for each. Others: share of the machine that other "
    "programs used. Gap: the longest time in which no create succeeded. Nobody known: for how long the replicas knew "
    "of nobody who leads."
)


def tables(results: Results) -> Iterator[RenderableType]:
    """Lay out everything that was measured."""
    machine = results.machine
    yield (
        f"{machine.date}: {machine.cores} cores, {machine.processor}, {machine.memory_gib} GiB, "
        f"Linux {machine.kernel}, Python {machine.python}, {machine.go}; "
        f"load average at the start {machine.load_average:.2f}"
    )
    if results.webhook is not None:
        webhook = results.webhook
        title = (
            f"The webhook alone, one core, reviews of {webhook.review_bytes} bytes; "
            f"medians of {results.rounds} rounds of {webhook.seconds:g} s"
        )
        yield _series(title, "requests/s", webhook.series)
        yield _ratios(webhook.ratios)
    if results.cluster is not None:
        cluster = results.cluster
        title = (
            f"Pod creates on Kubernetes {cluster.kubernetes} {'with' if cluster.controllers else 'without'} "
            f"controllers, pods of {cluster.pod_bytes} bytes; medians of {results.rounds} rounds of {cluster.pods} pods"
        )
        yield _series(title, "pods/s", cluster.series)
        yield _ratios(cluster.ratios)
        yield _writes(cluster)
    if results.acquisition is not None:
        yield _takeover(results.acquisition)
    if results.machines is not None:
        yield _starts(results.machines)
        yield _storm(results.machines)
    yield EXPLAINED


def _series(title: str, unit: str, series: Sequence[Series]) -> Table:
    processes = list(dict.fromkeys(name for each in series for name in each.samples[0].cpu_ms))
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("case", no_wrap=True)
    for heading in ("clients", unit, "p50 ms", "p99 ms", *processes, "others"):
        table.add_column(heading, justify="right")
    for each in series:
        table.add_row(
            each.name,
            str(each.clients),
            f"{each.median(lambda sample: sample.per_second):,.0f}",
            f"{each.median(lambda sample: sample.p50_ms):.2f}",
            f"{each.median(lambda sample: sample.p99_ms):.2f}",
            *_figures(each.cpu_ms(name) for name in processes),
            f"{each.median(lambda sample: sample.others):.0%}",
        )
    return table


def _ratios(ratios: Iterable[Ratio]) -> Table:
    table = Table(title="Rates compared, round by round", title_justify="left", pad_edge=False)
    table.add_column("rate of", no_wrap=True)
    for heading in ("clients", "median", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for each in ratios:
        table.add_row(each.name, str(each.clients), *_figures((each.median, each.lowest, each.highest)))
    return table


def _writes(cluster: Cluster) -> Table:
    title = "What the API server was asked to write beside the pods, all rounds together"
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("case", no_wrap=True)
    for heading in ("clients", "pods", "Lease writes", "a second", "a pod", "other writes"):
        table.add_column(heading, justify="right")
    for each in cluster.series:
        written = [sample.writes for sample in each.samples if sample.writes is not None]
        table.add_row(each.name, str(each.clients), *_written(written, sum(sample.requests for sample in each.samples)))
    table.add_row("three: idle", "", *_written(cluster.idle, 0))
    return table


def _written(writes: Sequence[Writes], pods: int) -> Iterator[str]:
    lease = sum(each.counts.get(LEASE_WRITE, 0) for each in writes)
    yield str(pods)
    yield str(lease)
    yield f"{lease / sum(each.seconds for each in writes):.2f}"
    yield f"{lease / pods:.3f}" if pods else ""
    others: Counter[str] = Counter()
    for each in writes:
        others.update({what: count for what, count in each.counts.items() if what != LEASE_WRITE})
    yield ", ".join(f"{count} {what}" for what, count in others.items())


def _takeover(acquisition: Acquisition) -> Table:
    title = (
        f"Creates by {acquisition.clients} clients while one of {acquisition.replicas} replicas goes, on Kubernetes "
        f"{acquisition.kubernetes}; medians of {len(acquisition.disturbances[0].gaps)} rounds, and the highest"
    )
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("what happens", no_wrap=True)
    for heading in ("creates", "failed", "gap ms", "highest", "longest create ms", "highest", "nobody known ms"):
        table.add_column(heading, justify="right")
    for each in acquisition.disturbances:
        table.add_row(
            each.name,
            f"{each.median(lambda gap: gap.creates):.0f}",
            f"{each.median(lambda gap: sum(gap.failed.values())):.0f}",
            f"{each.median(lambda gap: gap.longest_gap_ms):.0f}",
            f"{each.highest(lambda gap: gap.longest_gap_ms):.0f}",
            f"{each.median(lambda gap: gap.longest_create_ms):.0f}",
            f"{each.highest(lambda gap: gap.longest_create_ms):.0f}",
            f"{each.median(lambda gap: gap.known_ms):.0f}",
        )
    return table


def _starts(machines: Machines) -> Table:
    sizes = ", ".join(f"{kind} of {size}" for kind, size in machines.sizes.items())
    title = (
        f"Starts of a replica on Kubernetes {machines.kubernetes}, with {machines.machines:,} virtual machines; "
        f"bytes: {sizes}; medians of {len(machines.populations[0].starts)} starts, and the highest"
    )
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("in the cluster", no_wrap=True)
    for heading in ("held", "s until ready", "highest", "CPU s", "memory MiB", "peak MiB", "others"):
        table.add_column(heading, justify="right")
    for each in machines.populations:
        table.add_row(
            each.name,
            f"{each.median(lambda start: start.held):.0f}",
            f"{each.median(lambda start: start.seconds):.2f}",
            f"{each.highest(lambda start: start.seconds):.2f}",
            f"{each.median(lambda start: start.cpu_seconds):.2f}",
            f"{each.median(lambda start: start.memory_mib):.0f}",
            f"{each.median(lambda start: start.peak_mib):.0f}",
            f"{each.median(lambda start: start.others):.0%}",
        )
    return table


def _storm(machines: Machines) -> Table:
    storm = machines.storm
    title = (
        f"All virtual machines restarted; addresses moved: {storm.moved}, held afterwards: {storm.held}; memory before "
        f"{storm.memory_before_mib:.0f} MiB, after {storm.memory_after_mib:.0f} MiB, peak {storm.peak_mib:.0f} MiB"
    )
    table = Table(title=title, title_justify="left", pad_edge=False)
    table.add_column("case", no_wrap=True)
    for heading in ("s", "pods", "Lease writes", "a second", "a pod", "other writes"):
        table.add_column(heading, justify="right")
    table.add_row("idle", f"{machines.idle.seconds:.0f}", *_written([machines.idle], 0))
    table.add_row("storm", f"{storm.writes.seconds:.0f}", *_written([storm.writes], machines.machines))
    table.add_row("storm, beyond renewals", "", "", str(storm.beyond), "", "", "")
    return table


def _figures(values: Iterable[float | None]) -> Iterator[str]:
    return ("" if value is None else f"{value:.2f}" for value in values)
