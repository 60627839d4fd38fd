"""The results for people: one table a scenario, with ratios."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

    from bench.results import Ratio, Results, Series
    from rich.console import RenderableType


def tables(results: Results) -> Iterator[RenderableType]:
    """Lay out everything that was measured."""
    machine = results.machine
    yield (
        f"{machine.date}: {machine.cores} cores, {machine.processor}, {machine.memory_gib} GiB, "
        f"Linux {machine.kernel}, Python {machine.python}, {machine.go}; load average at the start {machine.load_average:.2f}"
    )
    if results.webhook is not None:
        webhook = results.webhook
        yield _series(
            f"The webhook alone, one core, reviews of {webhook.review_bytes} bytes; "
            f"medians of {results.rounds} rounds of {webhook.seconds:g} s",
            "requests/s",
            webhook.series,
        )
        yield _ratios(webhook.ratios)
    if results.cluster is not None:
        cluster = results.cluster
        yield _series(
            f"Pod creates on Kubernetes {cluster.kubernetes}, pods of {cluster.pod_bytes} bytes; "
            f"medians of {results.rounds} rounds",
            "pods/s",
            cluster.series,
        )
        yield _ratios(cluster.ratios)


def _series(title: str, unit: str, series: Sequence[Series]) -> Table:
    processes = list(dict.fromkeys(name for each in series for name in each.samples[0].cpu_ms))
    table = Table(title=f"{title}. Under a process: its CPU ms for each.", title_justify="left")
    table.add_column("case")
    for heading in ("clients", unit, "p50 ms", "p99 ms", *processes):
        table.add_column(heading, justify="right")
    for each in series:
        table.add_row(
            each.name,
            str(each.clients),
            f"{each.median(lambda sample: sample.per_second):,.0f}",
            f"{each.median(lambda sample: sample.p50_ms):.3f}",
            f"{each.median(lambda sample: sample.p99_ms):.3f}",
            *_figures(each.cpu_ms(name) for name in processes),
        )
    return table


def _ratios(ratios: Iterable[Ratio]) -> Table:
    table = Table(title="Rates compared, round by round", title_justify="left")
    table.add_column("rate of")
    for heading in ("clients", "median", "lowest", "highest"):
        table.add_column(heading, justify="right")
    for each in ratios:
        table.add_row(each.name, str(each.clients), *_figures((each.median, each.lowest, each.highest)))
    return table


def _figures(values: Iterable[float | None]) -> Iterator[str]:
    return ("" if value is None else f"{value:.3f}" for value in values)
