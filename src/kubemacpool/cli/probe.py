"""`kubemacpool probe`: one question to /readyz, for those who have no HTTP client at hand, such as `helm test`."""

import ssl
import urllib.error
import urllib.request
from pathlib import Path
from typing import Annotated, Final

import typer

from kubemacpool.cli.help import GroupedCommand, command_app

_PATIENCE_SECONDS: Final = 10.0

app = command_app()


@app.command(cls=GroupedCommand)
def probe(
    url: Annotated[str, typer.Argument(help="Where, such as https://SERVICE.NAMESPACE.svc/readyz.")],
    ca_file: Annotated[
        Path | None,
        typer.Option(
            "--ca-file",
            help="Authority that has signed the certificate, PEM: ca.crt of Secret kubemacpool-service.",
            show_default="the machine's",
            exists=True,
            dir_okay=False,
        ),
    ] = None,
) -> None:
    """Ask a replica, or the Service, whether it is ready.

    Prints what it says. The exit status is 1 where it is not ready, does not answer, or is not trusted.
    """
    if not url.startswith("https://"):
        raise typer.BadParameter(f"{url} does not begin with https://", param_hint="URL")
    trust = ssl.create_default_context(cafile=None if ca_file is None else str(ca_file))
    try:
        with urllib.request.urlopen(url, timeout=_PATIENCE_SECONDS, context=trust) as answer:  # noqa: S310 (https, as looked at)
            typer.echo(answer.read(1 << 16).decode(errors="replace"))
            return
    except urllib.error.HTTPError as error:
        said = f"{error.code} {error.read(1 << 16).decode(errors='replace')}"
    except (OSError, ValueError) as error:
        said = str(getattr(error, "reason", error))
    typer.echo(f"kubemacpool: {url}: {said}", err=True)
    raise typer.Exit(1)
