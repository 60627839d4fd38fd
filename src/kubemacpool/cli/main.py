"""The command `kubemacpool`."""

import os
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final

import typer

from kubemacpool.cli.help import COMPLETE, CONTEXT, Entry, LazyGroup

WITHOUT: Final = "Without a cluster"
READING: Final = "With a cluster"
RUNNING: Final = "Inside the cluster"


class Commands(LazyGroup):
    """Every command."""

    entries = {  # noqa: RUF012 (declared where it is inherited from)
        "assign": Entry(
            "kubemacpool.cli.assign",
            WITHOUT,
            "Fill free addresses into manifests, and change nothing else in them.",
        ),
        "manifests": Entry(
            "kubemacpool.cli.manifests",
            WITHOUT,
            "Print the manifests of an installation; they change nothing until somebody applies them.",
        ),
        "completion": Entry(
            "kubemacpool.cli.completion",
            WITHOUT,
            "Print what a shell needs to complete commands, flags, namespaces and kinds.",
        ),
        "check": Entry(
            "kubemacpool.cli.check",
            READING,
            "Look for collisions and for whatever else is wrong with addresses; end with 1 if there is an error.",
        ),
        "list": Entry("kubemacpool.cli.list", READING, "List the addresses in use and the objects that have them."),
        "who": Entry(
            "kubemacpool.cli.who",
            READING,
            "Show who has an address, and what would happen to somebody who asked for it.",
        ),
        "status": Entry(
            "kubemacpool.cli.status",
            READING,
            "Show how full the pool is, who leads, and whether the certificates and replicas are well.",
        ),
        "explain": Entry(
            "kubemacpool.cli.explain",
            READING,
            "Say what the webhook would do with manifests, and why, without doing it; end with 1 if it refuses one.",
        ),
        "doctor": Entry(
            "kubemacpool.cli.doctor",
            READING,
            "Go through an installation, and say what is wrong and how to mend it; end with 1 if something is.",
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
    if COMPLETE in os.environ:
        from typer._completion_classes import completion_init

        completion_init()
    app(prog_name="kubectl macpool" if Path(sys.argv[0]).name == "kubectl-macpool" else None)
