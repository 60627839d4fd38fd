"""`kubemacpool doctor`: goes through an installation and says what is wrong and how to mend it."""

from typing import TYPE_CHECKING

import typer

from kubemacpool.cli.exits import FOUND
from kubemacpool.cli.flags import ClusterFlags, Output, with_cluster
from kubemacpool.cli.help import GroupedCommand, command_app

if TYPE_CHECKING:
    from kubemacpool.cli.cluster.connection import Cluster

app = command_app()


@app.command(cls=GroupedCommand)
@with_cluster
def doctor(cluster: ClusterFlags, output: Output = "table") -> None:
    """Go through an installation, and say what is wrong and how to mend it; end with 1 if something is."""
    from kubemacpool.cli.cluster.connection import run
    from kubemacpool.cli.output import BAD, FAINT, GOOD, WORRY, Answer, Column, checked_format, show

    checked_format(output)

    async def work(connection: "Cluster") -> int:
        from kubemacpool.cli.pool.diagnosis import FAULT, OK, UNKNOWN, WORTH_A_LOOK, diagnosis

        found = await diagnosis(connection)
        styles = {OK: GOOD, FAULT: BAD, WORTH_A_LOOK: WORRY, UNKNOWN: FAINT}
        columns = [
            Column("CHECK", "check", whole=True),
            Column("RESULT", "result", styles=styles, whole=True),
            Column("WHAT", "message"),
            Column("REMEDY", "remedy"),
        ]
        items = [each._asdict() for each in found]
        show(Answer("Diagnosis", items, columns, name=("check",)), output)
        return FOUND if any(each.result == FAULT for each in found) else 0

    raise typer.Exit(run(cluster, work))
