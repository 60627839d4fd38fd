"""The results for people: one table a scenario, with ratios. Every figure is a median, with lowest and highest."""

from __future__ import annotations

from collections import Counter
from itertools import product
from math import nan
from typing import TYPE_CHECKING

from bench.frame import spread
from bench.nodes import FOLLOWERS, LEADER, OURS, WEBHOOK
from bench.results import LEASE_WRITE
from bench.sheets import Sheet

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.frame import Spread
    from bench.results import Cluster, Life, Machines, Nodes, Ratio, Results, Run, Series, Takeover, Webhook, Writes
    from rich.console import RenderableType

OF_THE_WEBHOOK = (LEADER, FOLLOWERS, WEBHOOK)
EXPLAINED = (
    "Figures are medians, with the lowest and the highest round. Clients work at the same time. Under a process: its "
    "CPU ms for each. Others: share of the machine that other programs used. Gap: the longest time in which no create "
    "succeeded. Nobody known: for how long the replicas knew of nobody who leads."
)


def tables(results: Results) -> Iterator[RenderableType]:
    """Lay out everything that was measured."""
    for run in list(results.runs.values())[:1]:
        yield measured(run)
    for sheet in sheets(results).values():
        yield sheet.for_terminal()
    yield EXPLAINED


def measured(run: Run) -> str:
    """When, where and with what something was measured."""
    machine = run.machine
    busy = (
        " Other programs were at work on it: read ratios and their spread, not rates."
        if machine.load_average > machine.cores
        else ""
    )
    versions = ", ".join(f"{name} {version}" for name, version in machine.versions.items() if name != "kubemacpool")
    return (
        f"{machine.date[:16].replace('T', ' ')} UTC, commit {run.commit}: {machine.cores} cores of "
        f"{machine.processor}, {machine.memory_gib} GiB, Linux {machine.kernel}, Python {machine.python}, "
        f"{machine.go}, {versions}; load average at the start {machine.load_average:.2f}; rounds: {run.rounds}.{busy}"
    )


def sheets(results: Results) -> dict[str, Sheet]:
    """Lay out everything that was measured, by name."""
    found: dict[str, Sheet] = {}
    if results.webhook is not None:
        found |= {"webhook": _webhook(results.webhook), "webhook ratios": _ratios(results.webhook.ratios)}
    if results.cluster is not None:
        cluster = results.cluster
        found |= {
            "cluster": _cluster(cluster),
            "cluster ratios": _ratios(cluster.ratios),
            "cluster writes": _writes(cluster),
        }
    if results.nodes is not None:
        found |= {
            "nodes": _nodes(results.nodes),
            "nodes ratios": _nodes_ratios(results.nodes),
            "nodes idle": _idle(results.nodes),
        }
    if results.takeover is not None:
        found["takeover"] = _takeover(results.takeover)
    if results.machines is not None:
        found |= {"machines starts": _starts(results.machines), "machines storm": _storm(results.machines)}
    return found


def _webhook(webhook: Webhook) -> Sheet:
    title = f"The webhook alone, one core, reviews of {webhook.review_bytes} bytes, slices of {webhook.seconds:g} s"
    return _series(title, "requests/s", webhook.series)


def _cluster(cluster: Cluster) -> Sheet:
    title = (
        f"Pod creates on Kubernetes {cluster.kubernetes} {'with' if cluster.controllers else 'without'} "
        f"controllers, pods of {cluster.pod_bytes} bytes, {cluster.pods} at a time"
    )
    return _series(title, "pods/s", cluster.series)


def _series(title: str, unit: str, series: Sequence[Series]) -> Sheet:
    processes = list(dict.fromkeys(name for each in series for name in each.samples[0].cpu_ms))
    rows = [
        (
            each.name,
            str(each.clients),
            each.spread(lambda sample: sample.per_second).text(0),
            each.spread(lambda sample: sample.p50_ms).text(),
            each.spread(lambda sample: sample.p99_ms).text(),
            each.spread(lambda sample: sample.p99_ms / sample.p50_ms).text(1),
            *_figures(each.cpu_ms(name) for name in processes),
            _share(each.spread(lambda sample: sample.others)),
        )
        for each in series
    ]
    return Sheet(title, ("case", "clients", unit, "p50 ms", "p99 ms", "p99 / p50", *processes, "others"), rows)


def _ratios(ratios: Iterable[Ratio]) -> Sheet:
    rows = [(each.name, each.what, str(each.clients), each.spread.text()) for each in ratios]
    return Sheet("Compared round by round", ("compared", "of", "clients", "ratio"), rows, names=2)


def _writes(cluster: Cluster) -> Sheet:
    rows: list[tuple[str, ...]] = []
    for each in cluster.series:
        written = [sample.writes for sample in each.samples if sample.writes is not None]
        pods = sum(sample.requests for sample in each.samples)
        rows.append((each.name, str(each.clients), *_written(written, pods)))
    rows.append(("three: idle", "", *_written(cluster.idle, 0)))
    headings = ("case", "clients", "pods", "Lease writes", "a second", "a pod", "other writes")
    return Sheet("What the API server was asked to write beside the pods, all rounds together", headings, rows)


def _written(writes: Sequence[Writes], pods: int) -> Iterator[str]:
    lease = sum(each.counts.get(LEASE_WRITE, 0) for each in writes)
    yield f"{pods:,}"
    yield f"{lease:,}"
    yield f"{lease / sum(each.seconds for each in writes):.2f}"
    yield f"{lease / pods:.3f}" if pods else ""
    others: Counter[str] = Counter()
    for each in writes:
        others.update({what: count for what, count in each.counts.items() if what != LEASE_WRITE})
    yield ", ".join(f"{count} {what}" for what, count in others.items())


def _nodes(nodes: Nodes) -> Sheet:
    title = (
        f"Pods from creation to removal on Kubernetes {nodes.kubernetes} with controllers, scheduler and {nodes.nodes} "
        f"simulated nodes, {nodes.series[0].passages[0].pods} at a time; CPU ms a pod"
    )
    processes = _processes(nodes.series)
    rows = [
        (
            each.name,
            each.spread(lambda passage: passage.seconds_until_running).text(1),
            each.spread(lambda passage: passage.seconds_until_gone).text(1),
            *_figures(each.cpu_ms(name) for name in processes),
            _share(each.spread(lambda passage: passage.others)),
        )
        for each in nodes.series
    ]
    return Sheet(title, ("case", "s until running", "s until gone", *processes, "others"), rows)


def _idle(nodes: Nodes) -> Sheet:
    processes = _processes(nodes.idle)
    rows = [(each.name, *_figures(each.cpu_ms(name) for name in processes)) for each in nodes.idle]
    return Sheet("The same while no pod comes or goes; CPU ms a second", ("installed", *processes), rows)


def _nodes_ratios(nodes: Nodes) -> Sheet:
    """Compare the CPU time of our processes with that of others, round by round."""
    rows = []
    for mine, theirs in product(nodes.series, nodes.series):
        (installed, _, kind), (other, _, same) = mine.name.partition(", "), theirs.name.partition(", ")
        if installed != OURS or other == OURS or kind != same:
            continue
        for process in (each for each in OF_THE_WEBHOOK if each in theirs.passages[0].cpu_ms):
            counterpart = LEADER if process == WEBHOOK else process
            pairs = zip(mine.passages, theirs.passages, strict=True)
            ratio = spread(here.cpu_ms[counterpart] / (there.cpu_ms[process] or nan) for here, there in pairs)
            rows.append((f"ours / {other}, {kind}", process, ratio.text()))
    return Sheet(
        "CPU time compared round by round; below 1, ours is cheaper", ("compared", "of", "ratio"), rows, names=2
    )


def _processes(lives: Iterable[Life]) -> list[str]:
    """Who used CPU time, the webhook's processes first."""
    found = {name for each in lives for name in each.passages[0].cpu_ms}
    return [name for name in OF_THE_WEBHOOK if name in found] + sorted(found - set(OF_THE_WEBHOOK))


def _takeover(takeover: Takeover) -> Sheet:
    title = (
        f"Creates by {takeover.clients} clients while one of {takeover.replicas} replicas goes, on Kubernetes "
        f"{takeover.kubernetes}"
    )
    rows = [
        (
            each.name,
            each.spread(lambda gap: gap.creates).text(0),
            each.spread(lambda gap: sum(gap.failed.values())).text(0),
            each.spread(lambda gap: gap.longest_gap_ms).text(0),
            each.spread(lambda gap: gap.longest_create_ms).text(0),
            each.spread(lambda gap: gap.known_ms).text(0),
        )
        for each in takeover.disturbances
    ]
    headings = ("what happens", "creates", "failed", "gap ms", "longest create ms", "nobody known ms")
    return Sheet(title, headings, rows)


def _starts(machines: Machines) -> Sheet:
    sizes = ", ".join(f"{kind} of {size}" for kind, size in machines.sizes.items())
    title = (
        f"Starts of a replica on Kubernetes {machines.kubernetes}, with {machines.machines:,} virtual machines; "
        f"bytes: {sizes}"
    )
    rows = [
        (
            each.name,
            each.spread(lambda start: start.held).text(0),
            each.spread(lambda start: start.seconds).text(),
            each.spread(lambda start: start.cpu_seconds).text(),
            each.spread(lambda start: start.memory_mib).text(0),
            each.spread(lambda start: start.peak_mib).text(0),
            _share(each.spread(lambda start: start.others)),
        )
        for each in machines.populations
    ]
    headings = ("in the cluster", "addresses held", "s until ready", "CPU s", "memory MiB", "peak MiB", "others")
    return Sheet(title, headings, rows)


def _storm(machines: Machines) -> Sheet:
    storm = machines.storm
    title = (
        f"All virtual machines restarted; addresses moved: {storm.moved}, held afterwards: {storm.held:,}; memory "
        f"before {storm.memory_before_mib:.0f} MiB, after {storm.memory_after_mib:.0f} MiB, peak "
        f"{storm.peak_mib:.0f} MiB"
    )
    rows = [
        ("idle", f"{machines.idle.seconds:.0f}", *_written([machines.idle], 0)),
        ("storm", f"{storm.writes.seconds:.0f}", *_written([storm.writes], machines.machines)),
        ("storm, beyond renewals", "", "", str(storm.beyond), "", "", ""),
    ]
    return Sheet(title, ("case", "s", "pods", "Lease writes", "a second", "a pod", "other writes"), rows)


def _share(others: Spread) -> str:
    return f"{others.median:.0%}"


def _figures(values: Iterable[Spread | None]) -> Iterator[str]:
    return ("" if value is None else value.text() for value in values)
