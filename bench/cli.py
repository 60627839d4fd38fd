"""The benchmark's command line."""

from __future__ import annotations

import sys
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer
from bench.errors import BenchError
from bench.machine import describe
from bench.programs import built
from bench.results import Results
from bench.tables import tables
from rich.console import Console

from bench import cluster, machines, takeover, webhook
from devcluster.errors import ClusterError

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = REPOSITORY / "_out"
TABLE_WIDTH = 110


class Scenario(StrEnum):
    """What can be measured alone."""

    WEBHOOK = "webhook"
    CLUSTER = "cluster"
    TAKEOVER = "takeover"
    MACHINES = "machines"


def bench(  # noqa: PLR0913, PLR0917 (an option each)
    only: Annotated[Scenario | None, typer.Option(help="Measure only this.", show_default="all")] = None,
    seconds: Annotated[
        float,
        typer.Option(min=0.1, help="Length of one measurement of the webhook alone, or while nobody goes."),
    ] = 5.0,
    pods: Annotated[
        int, typer.Option(min=4, max=20_000, help="Pods that 16 clients create in one measurement.")
    ] = 2400,
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
        bool, typer.Option("--controllers", help="Let controllers and scheduler work for the pods as well.")
    ] = False,
    json: Annotated[Path, typer.Option(help="Where the results are written.")] = OUT / "bench.json",
    work: Annotated[Path, typer.Option(help="Where programs, logs and the control plane's state are kept.")] = OUT
    / "bench",
) -> None:
    """Measure the webhook alone, pod creates on a real control plane, acquisitions, and what virtual machines cost.

    Prints tables and writes JSON. Takes about half an hour as it stands. Nothing else should run on the machine
    meanwhile. Everything that is started listens on loopback addresses and is ended again.
    """
    # Where it is not a terminal, the tables need more than the usual 80 characters.
    console = Console(width=max(Console().width, TABLE_WIDTH))
    begun = time.monotonic()

    def progress(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim] {line}", highlight=False)

    work = work.absolute()
    cluster_extent = cluster.Extent(pods, rounds, repeats, settle, controllers)
    programs = built(work / "bin", progress)
    results = Results(
        command=sys.argv,
        machine=describe(programs.go_version),
        rounds=rounds,
        webhook=None
        if only not in {None, Scenario.WEBHOOK}
        else webhook.measure(programs, work / "webhook", webhook.Extent(seconds, rounds, repeats), progress),
        cluster=None
        if only not in {None, Scenario.CLUSTER}
        else cluster.measure(programs, work / "cluster", cluster_extent, progress),
        acquisition=None
        if only not in {None, Scenario.TAKEOVER}
        else takeover.measure(work / "takeover", takeover.Extent(rounds, seconds), progress),
        machines=None
        if only not in {None, Scenario.MACHINES}
        else machines.measure(work / "machines", machines.Extent(vms, rounds, settle), progress),
    )
    results.write(json)
    for table in tables(results):
        console.print(table, highlight=False)
    console.print(f"Written to {json}.", highlight=False)


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
