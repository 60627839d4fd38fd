"""`kubemacpool manifests`: prints what to apply."""

from typing import Annotated, Final, Literal

import typer

from kubemacpool.cli.exits import fail
from kubemacpool.cli.flags import OUTPUT
from kubemacpool.cli.help import GroupedCommand, command_app
from kubemacpool.settings import DEFAULT_NAMESPACE

app = command_app()

CONTENT: Final = "Content"

EXAMPLES = """\
Examples:
  kubemacpool manifests --range 02:10:00:00:00:00-02:10:00:ff:ff:ff > pool.yaml
  kubemacpool manifests --opt-in pods --image registry.example.com/kubemacpool
  kubemacpool manifests --cert-manager --monitoring | kubectl apply -f -
"""


@app.command(cls=GroupedCommand, epilog=EXAMPLES)
def manifests(
    opt_in: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=CONTENT,
            metavar="<kind>",
            autocompletion=lambda: ["pods", "virtual-machines"],
            help="Serve pods, or virtual-machines, only in namespaces labelled allocate; repeated for both.",
        ),
    ] = None,
    range_: Annotated[
        str | None,
        typer.Option("--range", rich_help_panel=CONTENT, metavar="<first-last>", help="The addresses of the pool."),
    ] = None,
    exclude: Annotated[
        list[str] | None,
        typer.Option(
            rich_help_panel=CONTENT, metavar="<address>", help="Address or range that the pool is without; repeated."
        ),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", "-n", rich_help_panel=CONTENT, metavar="<name>", help="Where to install it.")
    ] = DEFAULT_NAMESPACE,
    replicas: Annotated[
        int | None, typer.Option(rich_help_panel=CONTENT, metavar="<number>", min=1, help="How many of them.")
    ] = None,
    image: Annotated[
        str | None, typer.Option(rich_help_panel=CONTENT, metavar="<image>", help="What the replicas run.")
    ] = None,
    cert_manager: Annotated[
        bool, typer.Option("--cert-manager", rich_help_panel=CONTENT, help="Have cert-manager issue the certificates.")
    ] = False,
    monitoring: Annotated[
        bool,
        typer.Option("--monitoring", rich_help_panel=CONTENT, help="Add objects for the Prometheus operator."),
    ] = False,
    output: Annotated[
        Literal["yaml", "json"], typer.Option("--output", "-o", rich_help_panel=OUTPUT, help="Of what is printed.")
    ] = "yaml",
) -> None:
    """Print the manifests of an installation; they change nothing until somebody applies them."""
    from kubemacpool.cli.manifest.release import Wanted, WantedError, release

    wanted = Wanted(
        frozenset(opt_in or ()), range_, tuple(exclude or ()), namespace, replicas, image, cert_manager, monitoring
    )
    try:
        text = release(wanted)
    except WantedError as error:
        fail(str(error))
    if output == "json":
        import json

        from kubemacpool.cli.manifest.documents import parse

        items = [document.value for document in parse("release", text.encode()).documents]
        text = json.dumps({"apiVersion": "v1", "kind": "List", "items": items}, indent=2, ensure_ascii=False) + "\n"
    typer.echo(text, nl=False)
