"""The benchmark's command line."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from bench.errors import BenchError
from bench.machine import describe
from bench.page import FIGURES, PAGE, record
from bench.programs import built
from bench.results import Results, Run
from bench.rivals import commit_of, rivals
from bench.tables import tables
from rich.console import Console

from bench import cluster, machines, nodes, takeover, webhook
from devcluster.errors import ClusterError

if TYPE_CHECKING:
    from collections.abc import Callable

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = REPOSITORY / "_out"
TABLE_WIDTH = 150


class Scenario(StrEnum):
    """What can be measured alone."""

    WEBHOOK = "webhook"
    CLUSTER = "cluster"
    NODES = "nodes"
    TAKEOVER = "takeover"
    MACHINES = "machines"


def bench(  # noqa: PLR0913, PLR0917 (an option each)
    only: Annotated[
        list[Scenario] | None, typer.Option(help="Measure only this; may be repeated.", show_default="all")
    ] = None,
    beside: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME=URL",
            help="Measure another webhook as well, which runs already: where it answers reviews of pods, at a loopback "
            "address. It is kept on the core of ours meanwhile, if its process can be seen, and registered at the API "
            "server as ours is. For webhook, cluster and nodes; may be repeated.",
        ),
    ] = None,
    ca: Annotated[
        list[Path] | None,
        typer.Option(metavar="FILE", help="The CA of --beside, in PEM: one for all, or one for each in their order."),
    ] = None,
    against: Annotated[
        Path | None,
        typer.Option(
            metavar="DIRECTORY",
            help="Measure another checkout of this repository as well, with the program of its own .venv "
            "(`make install` there). For webhook, cluster and nodes.",
        ),
    ] = None,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, help="Length of one slice of the webhook alone, or while nobody goes."),
    ] = 2.0,
    pods: Annotated[
        int, typer.Option(min=4, max=20_000, help="Pods that 16 clients, or a ReplicaSet, create in one measurement.")
    ] = 1200,
    vms: Annotated[
        int, typer.Option(min=1, max=20_000, help="Virtual machines that are there when a replica starts.")
    ] = 10_000,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often everything is measured, in turns.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=0, max=100, help="Repeats of a measurement while other programs use the machine.")
    ] = 3,
    settle: Annotated[
        float, typer.Option(min=0, help="Seconds for the watches to have seen everything after objects came or went.")
    ] = 0.5,
    controllers: Annotated[  # noqa: FBT002 (an option, not an argument)
        bool, typer.Option("--controllers", help="In `cluster`, let controllers and scheduler work for the pods too.")
    ] = False,
    json: Annotated[Path, typer.Option(help="Where the results are written.")] = OUT / "bench.json",
    write_docs: Annotated[  # noqa: FBT002 (an option, not an argument)
        bool,
        typer.Option(
            "--write-docs",
            help="Put what was measured into docs/benchmarks.json, where it replaces those scenarios, and make "
            "docs/benchmarks.md from it.",
        ),
    ] = False,
    work: Annotated[Path, typer.Option(help="Where programs, logs and the control plane's state are kept.")] = OUT
    / "bench",
) -> None:
    """Measure the webhook alone, pods on a real control plane, takeovers, and what virtual machines cost.

    Prints tables and writes JSON. Takes about half an hour as it stands. Nothing else should run on the machine
    meanwhile; ratios are taken round by round, and tell with their spread how quiet it was. Everything that is started
    listens on loopback addresses and is ended again, also after Ctrl-C.
    """
    # Where it is not a terminal, the tables need more than the usual 80 characters.
    console = Console(width=max(Console().width, TABLE_WIDTH))
    begun = time.monotonic()

    def progress(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim] {line}", highlight=False)

    work = work.absolute()
    chosen = list(dict.fromkeys(only or Scenario))
    others = rivals(beside or [], ca or [], against)
    for other in others.beside:
        other.mark(webhook.review())
    programs = built(work / "bin", progress)
    run = Run(sys.argv[1:], commit_of(REPOSITORY), describe(programs.go_version), rounds, others.told)
    measures: dict[Scenario, Callable[[], object]] = {
        Scenario.WEBHOOK: lambda: webhook.measure(
            programs, work / "webhook", webhook.Extent(seconds, rounds, repeats), others, progress
        ),
        Scenario.CLUSTER: lambda: cluster.measure(
            programs, work / "cluster", cluster.Extent(pods, rounds, repeats, settle, controllers), others, progress
        ),
        Scenario.NODES: lambda: nodes.measure(work / "nodes", nodes.Extent(pods, rounds, settle), others, progress),
        Scenario.TAKEOVER: lambda: takeover.measure(work / "takeover", takeover.Extent(rounds, seconds), progress),
        Scenario.MACHINES: lambda: machines.measure(work / "machines", machines.Extent(vms, rounds, settle), progress),
    }
    results = Results({})
    for scenario in chosen:
        results = results.with_scenario(scenario.value, run, measures[scenario]())
        # What is measured is not lost if what follows fails, or is interrupted.
        results.write(json)
    for table in tables(results):
        console.print(table, highlight=False)
    console.print(f"Written to {json}.", highlight=False)
    if write_docs:
        record(results)
        console.print(f"Recorded in {FIGURES}, and {PAGE} made from it.", highlight=False)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(bench)
    try:
        app()
    except (BenchError, ClusterError) as error:
        print(f"bench: {error}", file=sys.stderr)
        sys.exit(1)


if __name__ == "__main__":
    main()
