"""`kubemacpool explain`: what the webhook would do with a manifest, and why."""

from typing import TYPE_CHECKING, Annotated

import typer

from kubemacpool.cli.exits import FOUND, fail
from kubemacpool.cli.flags import SELECTION, ClusterFlags, Namespace, Output, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster
    from kubemacpool.cli.output import Json

app = command_app()


@app.command(cls=GroupedCommand)
@with_cluster
def explain(
    cluster: ClusterFlags,
    filename: Annotated[
        list[str],
        typer.Option(
            "--filename",
            "-f",
            rich_help_panel=SELECTION,
            metavar="<path>",
            help="File or directory with manifests, or - for the standard input; repeated for several.",
        ),
    ],
    namespace: Namespace = None,
    output: Output = "table",
) -> None:
    """Say what the webhook would do with manifests, and why, without doing it; end with 1 if it refuses one."""
    from kubemacpool.cli.cluster.connection import run
    from kubemacpool.cli.manifest.documents import ManifestError, read_all
    from kubemacpool.cli.output import NAME, TABLE, WIDE, Answer, checked_format, show

    checked_format(output)
    try:
        files = read_all(filename)
    except ManifestError as error:
        fail(str(error))

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.cluster.reading import read
        from kubemacpool.cli.manifest.workloads import find
        from kubemacpool.cli.pool.explaining import explained

        documents = (document for file in files for document in file.documents)
        workloads = find(documents, namespace or connection.namespace).workloads
        found = await read(connection)
        told = [await explained(connection, found, workload) for workload in workloads]
        if output in {TABLE, WIDE}:
            for each in told:
                _show(each)
            if not told:
                typer.echo("There is nothing in it that may have addresses.", err=True)
        else:
            show(Answer("ExplanationList", told, (), name=("kind", "namespace", "name")), output)
        if output == NAME and not told:
            typer.echo("There is nothing in it that may have addresses.", err=True)
        return FOUND if any(each["verdict"] == "refused" for each in told) else 0

    raise typer.Exit(run(cluster, work))


def _show(told: "Json") -> None:
    typer.echo(f"{told['kind']} {told['namespace']}/{told['name']} ({told['place']}): {told['verdict']}")
    for why in told["because"]:
        typer.echo(f"  {why}")
