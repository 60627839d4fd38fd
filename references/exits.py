"""The reference of exit statuses."""

from __future__ import annotations

from typing import Final

from kubemacpool.cli.exits import MEANING
from references.tables import FOLDER, code, table

PAGE: Final = FOLDER / "exit-statuses.md"

MANAGER: Final = {
    0: "it was told to stop (SIGTERM, SIGINT), and has released the Lease",
    1: "it could not start, or has failed; the last line of the log says why",
    2: "a setting cannot be, or the extra `manager` of the package is not installed",
}
"""How `kubemacpool manager` ends."""


def text() -> str:
    """Return the page as it is to be."""
    return "\n".join(
        [
            "# Exit statuses\n",
            "Made from the code by `make references`.\n",
            "## Commands for people\n",
            table(("status", "meaning"), [(code(str(status)), meaning) for status, meaning in MEANING.items()]),
            "## `kubemacpool manager`\n",
            table(("status", "meaning"), [(code(str(status)), meaning) for status, meaning in MANAGER.items()]),
        ]
    )
