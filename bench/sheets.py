"""A table, for a terminal and for a document."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence


class Sheet(NamedTuple):
    """A table: its headings, of which the first are names and the others figures, and its rows."""

    title: str
    headings: Sequence[str]
    rows: Sequence[Sequence[str]]
    names: int = 1

    def for_terminal(self) -> Table:
        """As it is printed."""
        table = Table(title=self.title, title_justify="left", pad_edge=False)
        for number, heading in enumerate(self.headings):
            table.add_column(heading, justify="left" if number < self.names else "right", no_wrap=number == 0)
        for row in self.rows:
            table.add_row(*row)
        return table

    def in_markdown(self) -> str:
        """As it stands in a document."""
        rules = ["---" if number < self.names else "---:" for number in range(len(self.headings))]
        lines = [self.headings, *self.rows]
        first, *others = ["| " + " | ".join(cell.replace("|", r"\|") for cell in line) + " |" for line in lines]
        return "\n".join((first, "|" + "|".join(rules) + "|", *others))
