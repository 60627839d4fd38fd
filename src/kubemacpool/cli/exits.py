"""Exit statuses, and how a command ends."""

import sys
from typing import Final, NoReturn

import typer

FOUND: Final = 1
"""The command did what it was asked, and found something that somebody should look at."""

MISTAKE: Final = 2
"""What was given cannot be: a flag, a file, a kubeconfig."""

UNAVAILABLE: Final = 3
"""The cluster did not answer, or did not allow it."""

INTERRUPTED: Final = 130
"""Ctrl-C."""

MEANING: Final = {
    0: "all is well; nothing was found",
    FOUND: "something was found: a fault, a conflict, or a file that `assign --check` would change",
    MISTAKE: "a flag, a file or a kubeconfig cannot be used as it is",
    UNAVAILABLE: "the cluster did not answer, or did not allow it",
    INTERRUPTED: "interrupted (Ctrl-C)",
}


def fail(message: str, status: int = MISTAKE) -> NoReturn:
    """End with a sentence on the standard error."""
    typer.echo(f"kubemacpool: {message}", err=True)
    sys.exit(status)
