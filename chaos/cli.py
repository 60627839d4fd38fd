"""The command line of `make chaos`."""

from __future__ import annotations

import asyncio
import secrets
import shutil
import signal
import sys
import time
from contextlib import ExitStack, contextmanager
from pathlib import Path  # noqa: TC003 (typer reads the annotations)
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer
from rich.console import Console
from tests.support.prometheus import scraping

from chaos.causes import Cause
from chaos.conducting import Conductor, Extent
from chaos.faults import ENDING, Kind
from chaos.load import Plan
from chaos.results import LEAST_RATE, Results
from chaos.stage import ROTATING, Stage
from chaos.tables import tables
from devcluster import assets
from devcluster.errors import ClusterError
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.support.prometheus import Prometheus

OUT = REPOSITORY / "_out"
INTERRUPTED = 130
MOST_SHOWN = 10
TABLE_WIDTH = 150
# Inside the range and outside, few enough that many are in use when they are asked for.
EXPLICIT = tuple(f"02:00:00:00:0a:{index:02x}" for index in range(32)) + tuple(
    f"fe:00:00:00:00:{index:02x}" for index in range(32)
)


def chaos(  # noqa: PLR0913 (an option each)
    *,
    seconds: Annotated[float, typer.Option(min=1, max=24 * 3600, help="How long faults are inflicted.")] = 300.0,
    seed: Annotated[int | None, typer.Option(help="Draws faults and load.", show_default="a random one")] = None,
    clients: Annotated[int, typer.Option(min=1, max=256, help="Creates under way at a time.")] = 16,
    rate: Annotated[float, typer.Option(min=1, max=1000, help="Creates a second.")] = 60.0,
    replicas: Annotated[int, typer.Option(min=2, max=10, help="Replicas of KubeMacPool.")] = 3,
    pods: Annotated[int, typer.Option(min=10, max=1500, help="Pods that are kept; the oldest go.")] = 600,
    only: Annotated[list[Kind] | None, typer.Option(help="Only these faults.", show_default="all")] = None,
    faults: Annotated[bool, typer.Option(help="Whether there are any; without, the tenant's effect is seen.")] = True,
    tenant: Annotated[bool, typer.Option(help="Whether a hostile tenant is there, from the tenth second.")] = True,
    soak: Annotated[
        bool,
        typer.Option(
            "--soak",
            help="Watch what grows: no process is ended, certificates are exchanged all the time, Prometheus scrapes.",
        ),
    ] = False,
    json: Annotated[Path, typer.Option(help="Where the results are written.")] = OUT / "chaos.json",
    work: Annotated[Path, typer.Option(help="Where logs and the control plane's state are kept.")] = OUT / "chaos",
) -> None:
    """Inflict faults on a real control plane while pods are created, and check the promises after each.

    Everything that is started listens on loopback addresses and is ended again. The same seed gives the same faults.
    """
    # Where it is not a terminal, the tables need more than the usual 80 characters.
    console = Console(highlight=False, soft_wrap=True, width=max(Console().width, TABLE_WIDTH))
    begun = time.monotonic()

    def progress(line: str) -> None:
        console.print(f"[dim]{time.monotonic() - begun:5.0f} s[/dim] ", end="")
        console.print(line, markup=False)

    seed = secrets.randbelow(1 << 32) if seed is None else seed
    progress(f"seed {seed}: repeat with --seed {seed}")
    kinds = (only or [kind for kind in Kind if not (soak and kind in ENDING)]) if faults else []
    extent = Extent(seconds, seed, kinds, Plan(clients, rate, pods, EXPLICIT), tenant, soak)
    results = asyncio.run(_run(extent, work.absolute(), replicas, progress))
    results.write(json)
    for table in tables(results):
        console.print(table)
    _say(results, console)
    console.print(f"Written to {json}; logs are in {work / 'controlplane' / 'logs'}. Seed: {seed}.")
    if not all(target.reached for target in results.targets()):
        raise typer.Exit(1)


async def _run(extent: Extent, work: Path, replicas: int, progress: Callable[[str], None]) -> Results:
    task = asyncio.current_task()
    if task is not None:
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
            asyncio.get_running_loop().add_signal_handler(number, task.cancel)
    environment = ROTATING if extent.soak else {}
    with ExitStack() as programs:
        async with Stage(work, replicas, extent.seed, progress, environment) as stage:
            prometheus = programs.enter_context(_scraped(stage, work, progress)) if extent.soak else None
            return await Conductor(stage, extent, progress, prometheus).run()


@contextmanager
def _scraped(stage: Stage, work: Path, progress: Callable[[str], None]) -> Iterator[Prometheus]:
    """A Prometheus that scrapes all replicas for as long as the block lasts."""
    directory = work / "prometheus"
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    token = directory / "token"
    token.write_text(stage.scraper.headers["Authorization"].removeprefix("Bearer "), encoding="ascii")
    config = {
        "global": {"scrape_interval": "5s", "scrape_timeout": "4s"},
        "scrape_configs": [
            {
                "job_name": "kubemacpool",
                "scheme": "https",
                "authorization": {"type": "Bearer", "credentials_file": str(token)},
                "tls_config": {"insecure_skip_verify": True},  # the authority is another one every two minutes
                "static_configs": [{"targets": [urlsplit(each.metrics_url).netloc for each in stage.replicas()]}],
            }
        ],
    }
    program = assets.built(assets.prometheus(), progress) / "prometheus"
    with scraping(program, directory, config) as prometheus:
        yield prometheus


def _say(results: Results, console: Console) -> None:
    """Say what does not fit into a table."""
    outcomes = ", ".join(f"{count} {outcome}" for outcome, count in sorted(results.creates.items()))
    console.print(f"{results.rate:.0f} creates a second: {outcomes}. The watch had {results.watch_gaps} gaps.")
    if results.rate < LEAST_RATE:
        console.print(f"That is less than {LEAST_RATE:.0f} a second: the machine was too busy for the run to count.")
    for duplicate in results.duplicates[:MOST_SHOWN]:
        console.print(f"DUPLICATE {duplicate.address}: {', '.join(duplicate.holders)}", markup=False)
    for untruth in results.untruths[:MOST_SHOWN]:
        console.print(f"UNTRUE {untruth}", markup=False)
    if results.tenant is not None:
        deeds = ", ".join(f"{count} {deed}" for deed, count in results.tenant.deeds.items())
        answers = ", ".join(f"{count} times {status}" for status, count in results.tenant.answers.items())
        console.print(f"The tenant's deeds: {deeds}. It was answered {answers}.")
    for failed in [each for each in results.failed if each.verdict.cause is Cause.OTHER][:MOST_SHOWN]:
        console.print(f"OTHER during {failed.during or 'no fault'}: {failed.failure}", markup=False)


def main() -> None:
    """Run the command line."""
    app = typer.Typer(add_completion=False, pretty_exceptions_enable=False)
    app.command()(chaos)
    try:
        app()
    except ClusterError as error:
        sys.exit(f"chaos: {error}")
    except (KeyboardInterrupt, asyncio.CancelledError):
        sys.stderr.write("Interrupted; what was started has been ended.\n")
        sys.exit(INTERRUPTED)
