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

from bench import cluster, webhook
from devcluster.errors import ClusterError

REPOSITORY = Path(__file__).resolve().parents[1]
OUT = REPOSITORY / "_out"


class Scenario(StrEnum):
    """What can be measured alone."""

    WEBHOOK = "webhook"
    CLUSTER = "cluster"


def bench(  # noqa: PLR0913, PLR0917 (an option each)
    only: Annotated[Scenario | None, typer.Option(help="Measure only this.", show_default="both")] = None,
    seconds: Annotated[float, typer.Option(min=0.1, help="Length of one measurement of the webhook alone.")] = 5.0,
    pods: Annotated[
        int, typer.Option(min=4, max=20_000, help="Pods that 16 clients create in one measurement.")
    ] = 2400,
    rounds: Annotated[int, typer.Option(min=1, max=100, help="How often everything is measured, in turns.")] = 5,
    repeats: Annotated[
        int, typer.Option(min=0, max=100, help="Repeats of a measurement while other programs use the machine.")
    ] = 3,
    controllers: Annotated[  # noqa: FBT002 (an option, not an argument)
        bool, typer.Option("--controllers", help="Let controllers and scheduler work for the pods as well.")
    ] = False,
    json: Annotated[Path, typer.Option(help="Where the results are written.")] = OUT / "bench.json",
    work: Annotated[Path, typer.Option(help="Where programs, logs and the control plane's state are kept.")] = OUT
    / "bench",
) -> None:
    """Measure the webhook alone (a) and pod creates on a real control plane (b); print tables and write JSON.

    Takes about ten minutes as it stands. Nothing else should run on the machine meanwhile. Everything that is started
    listens on loopback addresses and is ended again.
    """
    console = Console()
    begun = time.monotonic()

    def progress(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim] {line}", highlight=False)

    work = work.absolute()
    programs = built(work / "bin", progress)
    results = Results(
        command=sys.argv,
        machine=describe(programs.go_version),
        rounds=rounds,
        webhook=None
        if only is Scenario.CLUSTER
        else webhook.measure(programs, work / "webhook", webhook.Extent(seconds, rounds, repeats), progress),
        cluster=None
        if only is Scenario.WEBHOOK
        else cluster.measure(programs, work / "cluster", cluster.Extent(pods, rounds, repeats, controllers), progress),
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
