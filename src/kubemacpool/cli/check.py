"""`kubemacpool check`: what is wrong with the addresses of a cluster, or of manifests."""

from typing import TYPE_CHECKING, Annotated

import typer

from kubemacpool.cli.exits import FOUND, fail
from kubemacpool.cli.flags import SELECTION, AllNamespaces, ClusterFlags, Namespace, Output, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster
    from kubemacpool.cli.pool.findings import Finding

app = command_app()

EXAMPLES = """\
Examples:
  kubemacpool check                       # the cluster
  kubemacpool check -f vms/ -o sarif      # manifests, for a code-scanning view
  kubemacpool check -o junit > macs.xml   # for a CI server
"""


@app.command(cls=GroupedCommand, epilog=EXAMPLES)
@with_cluster
def check(
    cluster: ClusterFlags,
    filename: Annotated[
        list[str] | None,
        typer.Option(
            "--filename",
            "-f",
            rich_help_panel=SELECTION,
            metavar="<path>",
            help="Look at this file or directory with manifests, or - for the standard input, instead of the cluster; "
            "repeated for several.",
        ),
    ] = None,
    namespace: Namespace = None,
    all_namespaces: AllNamespaces = False,
    range_: Annotated[
        str | None,
        typer.Option(
            "--range",
            rich_help_panel=SELECTION,
            metavar="<first-last>",
            help="The pool, with --filename.",
            show_default="that of the ConfigMap among the manifests, or else that of the release",
        ),
    ] = None,
    strict: Annotated[
        bool, typer.Option("--strict", rich_help_panel=SELECTION, help="Warnings count as errors for the exit status.")
    ] = False,
    output: Output = "table",
) -> None:
    """Look for collisions and for whatever else is wrong with addresses; end with 1 if there is an error."""
    from kubemacpool.cli.output import checked_format

    checked_format(output, "junit", "sarif")

    def answer(findings: "list[Finding]") -> int:
        from kubemacpool.cli.pool.findings import ERROR
        from kubemacpool.cli.reports import show_findings

        show_findings(findings, output)
        return FOUND if any(each.level == ERROR or (strict and each.level != "note") for each in findings) else 0

    if filename:
        raise typer.Exit(answer(_of_manifests(filename, namespace or "default", range_)))
    if range_ is not None:
        fail("--range is for --filename; a cluster says itself what its pool is")
    from kubemacpool.cli.cluster.connection import run

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.cluster.reading import read
        from kubemacpool.cli.pool.audit import audit

        shown = None if all_namespaces else namespace
        found = await audit(connection, await read(connection, namespace or ""))
        return answer([each for each in found if shown is None or each.namespace in {shown, ""}])

    raise typer.Exit(run(cluster, work))


def _of_manifests(names: list[str], namespace: str, range_: str | None) -> "list[Finding]":
    import asyncio

    from kubemacpool.cli.manifest.documents import ManifestError, read_all
    from kubemacpool.cli.manifest.pools import pool_for
    from kubemacpool.cli.manifest.workloads import find
    from kubemacpool.cli.pool.audit import audit_manifests
    from kubemacpool.cli.pool.desk import Desk, quiet
    from kubemacpool.cli.pool.ranges import PoolFlagError

    quiet()
    try:
        files = read_all(names)
        found = find((document for file in files for document in file.documents), namespace)
        pool = pool_for(range_, [], None, found)
        return asyncio.run(audit_manifests(Desk(pool), found, known=range_ is not None or bool(found.config_maps)))
    except (ManifestError, PoolFlagError) as error:
        fail(str(error))
