"""What a person reads at the end."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from chaos.causes import Cause

if TYPE_CHECKING:
    from collections.abc import Iterator

    from chaos.results import Results


def tables(results: Results) -> Iterator[Table]:
    """The faults, kind by kind, and then the targets."""
    table = Table(
        title=f"Faults of seed {results.seed}, and failed creates by cause", title_justify="left", pad_edge=False
    )
    table.add_column("fault", no_wrap=True)
    for heading in ("times", "over after, s", "creates", *(cause.value for cause in Cause)):
        table.add_column(heading, justify="right")
    for kind in sorted({episode.kind for episode in results.episodes}):
        same = [episode for episode in results.episodes if episode.kind == kind]
        counts = (sum(episode.failures.get(cause, 0) for episode in same) for cause in Cause)
        lasted = sorted(episode.lasted for episode in same)
        span = f"{lasted[0]:.0f} to {lasted[-1]:.0f}" if len(same) > 1 else f"{lasted[0]:.0f}"
        creates = sum(episode.creates for episode in same)
        table.add_row(kind or "none", str(len(same)), span, str(creates), *map(str, counts))
    totals = results.failures().values()
    table.add_row("all", "", f"{results.load_seconds:.0f}", str(sum(results.creates.values())), *map(str, totals))
    yield table
    judged = Table(title="Targets", title_justify="left", pad_edge=False)
    for heading in ("target", "reached", "found"):
        judged.add_column(heading)
    for target in results.targets():
        judged.add_row(target.name, "yes" if target.reached else "NO", target.found)
    yield judged
