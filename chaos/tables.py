"""What a person reads at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from chaos.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.results import Results


def tables(results: Results) -> Iterator[Table]:
    """Everything, fault by fault, and then the targets."""
    table = Table(
        title=f"Faults of seed {results.seed}, and failed creates by cause", title_justify="left", pad_edge=False
    )
    table.add_column("fault")
    for heading in ("at s", "took s", "creates", *(cause.value for cause in Cause)):
        table.add_column(heading, justify="right")
    for episode in results.episodes:
        counts = (episode.failures.get(cause, 0) for cause in Cause)
        figures = (f"{episode.begun:.0f}", f"{episode.lasted:.1f}", str(episode.creates), *map(str, counts))
        table.add_row(episode.fault, *figures)
    totals = results.failures()
    table.add_row(
        "all", "", f"{results.load_seconds:.0f}", str(sum(results.creates.values())), *map(str, totals.values())
    )
    yield table
    judged = Table(title="Targets", title_justify="left", pad_edge=False)
    for heading in ("target", "reached", "found"):
        judged.add_column(heading)
    for target in results.targets():
        judged.add_row(target.name, "yes" if target.reached else "NO", target.found)
    yield judged
