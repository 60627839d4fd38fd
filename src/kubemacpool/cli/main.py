"""The command `kubemacpool`."""

from importlib.metadata import version
from typing import Annotated, Final

import typer

from kubemacpool.cli.help import CONTEXT, Entry, LazyGroup

WITHOUT: Final = "Without a cluster"
RUNNING: Final = "Inside the cluster"


class Commands(LazyGroup):
    """Every command."""

    entries = {  # noqa: RUF012 (declared where it is inherited from)
        "assign": Entry(
            "kubemacpool.cli.assign",
            WITHOUT,
            "Fill free addresses into manifests, and change nothing else in them.",
        ),
        "manager": Entry(
            "kubemacpool.cli.manager",
            RUNNING,
            "Run one replica: answer admissions and follow the cluster until SIGTERM or SIGINT.",
        ),
        "probe": Entry("kubemacpool.cli.probe", RUNNING, "Ask a replica, or the Service, whether it is ready."),
    }


app = typer.Typer(
    cls=Commands,
    name="kubemacpool",
    help="MAC addresses from a pool for the secondary interfaces of pods: never a duplicate, never in the way.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings=CONTEXT,
)


def _print_version(wanted: bool) -> None:  # noqa: FBT001 (the signature of an option's callback)
    if wanted:
        typer.echo(f"kubemacpool {version('kubemacpool')}")
        raise typer.Exit


@app.callback()
def _root(
    *,
    _version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and exit.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command line."""
    app()
