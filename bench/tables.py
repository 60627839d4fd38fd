"""The results for people: one table a scenario, with ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.results import Ratio, Results, Series
    from rich.console import RenderableType

EXPLAINED = (
    "Clients work at the same time. Under a process: its CPU ms for each. Others: share of the machine that other "
    "programs used."
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


def _figures(values: Iterable[float | None]) -> Iterator[str]:
    return ("" if value is None else f"{value:.2f}" for value in values)
