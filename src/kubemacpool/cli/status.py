"""`kubemacpool status`: the pool and the installation at a glance."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from kubemacpool.cli.flags import OUTPUT, ClusterFlags, Output, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster
    from kubemacpool.cli.output import Json

app = command_app()


@app.command(cls=GroupedCommand)
@with_cluster
def status(
    cluster: ClusterFlags,
    watch: Annotated[
        bool, typer.Option("--watch", "-w", rich_help_panel=OUTPUT, help="Show it again and again until Ctrl-C.")
    ] = False,
    interval: Annotated[
        float, typer.Option(rich_help_panel=OUTPUT, metavar="<seconds>", min=0.1, help="Between two looks of --watch.")
    ] = 2.0,
    output: Output = "table",
) -> None:
    """Show how full the pool is, who leads, and whether the certificates and replicas are well."""
    from kubemacpool.cli.cluster.connection import run
    from kubemacpool.cli.output import checked_format

    checked_format(output)

    async def work(connection: "Cluster") -> int:
        if watch:
            await _watch(connection, interval, output)
        from kubemacpool.cli.cluster.reading import read
        from kubemacpool.cli.pool.state import state_of

        _show(await state_of(connection, await read(connection)), output)
        return 0

    raise typer.Exit(run(cluster, work))


async def _watch(connection: "Cluster", interval: float, output: str) -> None:
    """Show it until somebody has seen enough."""
    import asyncio

    from kubemacpool.cli.cluster.survey import survey
    from kubemacpool.cli.output import TABLE, WIDE
    from kubemacpool.cli.pool.state import state_of

    if not sys.stdout.isatty() or output not in {TABLE, WIDE}:
        while True:
            _show(await state_of(connection, await survey(connection)), output)
            await asyncio.sleep(interval)
    from rich.console import Console
    from rich.live import Live

    from kubemacpool.cli.views import status_view

    with Live(console=Console(highlight=False), screen=True, auto_refresh=False) as live:
        while True:
            state = await state_of(connection, await survey(connection))
            live.update(status_view(state, live.console.width), refresh=True)
            await asyncio.sleep(interval)


def _show(state: "Json", output: str) -> None:
    from kubemacpool.cli.output import NAME, TABLE, WIDE, show_data, versioned

    if output == NAME:
        for each in state["replicas"]["pods"]:
            typer.echo(f"pod/{each['name']}")
    elif output in {TABLE, WIDE}:
        from rich.console import Console

        from kubemacpool.cli.views import status_view

        console = Console(highlight=False)
        console.print(status_view(state, console.width))
    else:
        show_data(versioned("Status", state), output)
