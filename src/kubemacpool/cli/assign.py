"""`kubemacpool assign`: addresses in manifests, before any cluster sees them."""

from typing import TYPE_CHECKING, Annotated, Final

import typer

from kubemacpool.cli.exits import FOUND, fail
from kubemacpool.cli.flags import ClusterFlags, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from pathlib import Path

    from kubemacpool.cli.cluster.connection import Cluster, Json
    from kubemacpool.cli.manifest.documents import ManifestFile
    from kubemacpool.cli.manifest.filling import Result
    from kubemacpool.cli.manifest.workloads import Found, Workload
    from kubemacpool.core.pool import Pool

app = command_app()

POOL: Final = "Pool"
MANIFESTS: Final = "Manifests"

EXAMPLES: Final = """\
Examples:
  # Fill what is in a directory; nothing gets the address of another.
  kubemacpool assign -f vms/ --range 02:00:00:00:00:00-02:00:00:ff:ff:ff
  # In CI: show a diff, and end with 1 if there is one.
  kubemacpool assign -f vms/ --check
  # From the standard input to the standard output.
  helm template chart | kubemacpool assign -f -
"""


@app.command(cls=GroupedCommand, epilog=EXAMPLES)
@with_cluster
def assign(
    cluster: ClusterFlags,
    filename: Annotated[
        list[str],
        typer.Option(
            "--filename",
            "-f",
            rich_help_panel=MANIFESTS,
            metavar="<path>",
            help="File or directory with manifests, or - for the standard input; repeated for several. What is in one "
            "of them has its address for itself in all of them.",
        ),
    ],
    check: Annotated[
        bool, typer.Option("--check", rich_help_panel=MANIFESTS, help="Write nothing; show a diff, and end with 1.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", rich_help_panel=MANIFESTS, help="Write nothing; show a diff.")
    ] = False,
    live: Annotated[
        bool,
        typer.Option(
            "--live",
            rich_help_panel=POOL,
            help="Take the cluster into account: its pool, whoever has an address there, and the addresses that these "
            "objects have there already.",
        ),
    ] = False,
    namespace: Annotated[
        str,
        typer.Option(
            "--namespace", "-n", rich_help_panel=MANIFESTS, metavar="<name>", help="Of objects that name none."
        ),
    ] = "default",
    range_: Annotated[
        str | None,
        typer.Option(
            "--range",
            rich_help_panel=POOL,
            metavar="<first-last>",
            help="What may be given.",
            show_default="that of the ConfigMap among the manifests, or else that of the release",
        ),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=POOL, metavar="<address>", help="Address or range that is not given; repeated for several."
        ),
    ] = None,
    config_map: Annotated[
        str | None,
        typer.Option(
            rich_help_panel=POOL, metavar="<path>", help="Manifest of the ConfigMap kubemacpool-mac-range-config."
        ),
    ] = None,
) -> None:
    """Fill free addresses into manifests, and change nothing else in them."""
    import asyncio

    from kubemacpool.cli.manifest.documents import ManifestError, read_all
    from kubemacpool.cli.manifest.filling import Books, fill
    from kubemacpool.cli.manifest.pools import pool_for
    from kubemacpool.cli.manifest.workloads import find
    from kubemacpool.cli.pool.desk import Desk, quiet
    from kubemacpool.cli.pool.ranges import PoolFlagError

    quiet()
    excluded = exclude or []
    if live and excluded and range_ is None and config_map is None:
        fail("--exclude goes with --range or --config-map; with --live alone the pool is the cluster's")
    try:
        files = read_all(filename)
        found = find((document for file in files for document in file.documents), namespace)
        pool = None if live and range_ is None and config_map is None else pool_for(range_, excluded, config_map, found)
        if live:
            result = _with_the_cluster(cluster, found, pool)
        else:
            assert pool is not None  # noqa: S101 (by the line above)
            result = asyncio.run(fill(Books(Desk(pool)), found.workloads, _nothing_before))
    except (ManifestError, PoolFlagError) as error:
        fail(str(error))
    _tell(result)
    if check or dry_run:
        _show_difference(files, result)
    else:
        _write(files, result)
    if result.faults or (check and result.texts):
        raise typer.Exit(FOUND)


def _with_the_cluster(flags: ClusterFlags, found: "Found", pool: "Pool | None") -> "Result":
    """Fill on top of what the cluster has."""
    from kubemacpool.cli.cluster.connection import run

    results: list[Result] = []

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.cluster.reading import read
        from kubemacpool.cli.manifest.filling import Books, fill, in_place_of
        from kubemacpool.cli.pool.explaining import existing

        known = await read(connection)
        if pool is not None:
            known.desk.allocator.replace_pool(pool)
        elif known.range_fault:
            fail(f"{known.range_fault}; mend it, or give --range")

        async def before(workload: "Workload") -> "Json | None":
            return await existing(connection, workload)

        books = Books(known.desk)
        results.append(await fill(books, [in_place_of(books, each) for each in found.workloads], before))
        return 0

    run(flags, work)
    return results[0]


async def _nothing_before(_: object) -> None:
    """Without a cluster, nothing exists yet."""


def _tell(result: "Result") -> None:
    for fault in result.faults:
        typer.echo(f"{fault.place}: error: {fault.message}", err=True)
    for note in result.notes:
        typer.echo(f"{note.place}: note: {note.message}", err=True)
    if not result.faults:
        for each in result.filled:
            typer.echo(f"{each.place}: {each.object}: {each.interface}: {each.address}", err=True)


def _show_difference(files: "list[ManifestFile]", result: "Result") -> None:
    from kubemacpool.cli.manifest.differences import unified

    for file in files:
        if file in result.texts:
            for line in unified(file.name, file.text, result.edits[file]):
                typer.echo(line.encode(), nl=False)


def _write(files: "list[ManifestFile]", result: "Result") -> None:
    from kubemacpool.cli.manifest.documents import STANDARD_INPUT

    if result.faults:
        return
    for file in files:
        if file.name == STANDARD_INPUT:
            typer.echo((file.mark + result.texts.get(file, file.text)).encode(), nl=False)
        elif file.path is not None and file in result.texts:
            try:
                _replace(file.path, file.mark + result.texts[file])
            except OSError as error:
                fail(f"{file.name}: {error.strerror or error}; make it a file that can be written")


def _replace(path: "Path", text: str) -> None:
    """Write a file so that nobody ever sees a part of it."""
    import os
    import shutil
    import tempfile

    target = path.resolve()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode())
        shutil.copymode(target, name)
        os.replace(name, target)  # noqa: PTH105 (a name, not a path)
    except BaseException:
        os.unlink(name)  # noqa: PTH108 (same)
        raise
