"""The reference of the commands for people: their help at 80 columns, exit statuses, and what `check` finds."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from typer.testing import CliRunner

from kubemacpool.cli.exits import MEANING
from kubemacpool.cli.main import RUNNING, Commands, app
from kubemacpool.cli.pool.findings import RULES

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "commands.md"
WIDTH: Final = 80

HEADER: Final = """# Commands

Made from the code by `make references`. `kubectl macpool` is the same program under another name. What runs inside the
cluster is not here: `kubemacpool manager --help` lists its flags.

Everything that a command says of the pool is computed by the code that decides: what was read is told to the same
ledger, and judged by the same admissions. A command that reads a cluster changes nothing in it.

Which cluster is found out as kubectl does: `--kubeconfig`, the files in `KUBECONFIG`, `~/.kube/config`, or the pod's
own service account; tokens, client certificates, exec credential plugins, impersonation and proxies (`proxy-url`, or
`HTTPS_PROXY` and `NO_PROXY` in the environment) are understood. Colours are for terminals, and `NO_COLOR` turns them
off; a read that takes more than a second shows its progress on the standard error.

"""


def text() -> str:
    """The page as it is to be."""
    parts = [HEADER, "## Exit statuses\n\n| status | meaning |\n|---|---|\n"]
    parts += [f"| {status} | {meaning} |\n" for status, meaning in MEANING.items()]
    parts.append("\n## What `check` finds\n\n| rule | level | meaning |\n|---|---|---|\n")
    parts += [f"| {rule} | {level} | {meaning} |\n" for rule, (level, meaning) in RULES.items()]
    for command in (name for name, entry in Commands.entries.items() if entry.group != RUNNING):
        shown = CliRunner().invoke(app, [command, "--help"], prog_name="kubemacpool", terminal_width=WIDTH).output
        parts.append(f"\n## {command}\n\n```text\n{shown.rstrip()}\n```\n")
    return "".join(parts)
