"""How answers are shown: tables for people, and what programs read, in the formats that kubectl has."""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import typer

from kubemacpool.cli.exits import fail

if TYPE_CHECKING:
    from rich.table import Table

Json = dict[str, Any]

TABLE: Final = "table"
WIDE: Final = "wide"
NAME: Final = "name"
JSONPATH: Final = "jsonpath="

_API_VERSION: Final = "cli.kubemacpool.io/v1"
MOST_STYLED: Final = 300
"""Rows: more than a screen or two nobody reads in colours, and rich takes seconds for twenty thousand."""

_GAP: Final = "   "
GOOD, BAD, WORRY, FAINT = "green", "bold red", "yellow", "dim"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    Attributes:
        title: above it.
        key: of the item's member that it shows.
        wide: whether it is shown with `-o wide` only.
        styles: by text, how it looks at a terminal.
        whole: whether its texts are never broken.
    """

    title: str
    key: str
    wide: bool = False
    styles: Mapping[str, str] = field(default_factory=dict)
    whole: bool = False


@dataclass(frozen=True)
class Answer:
    """What a command answers.

    Attributes:
        kind: of the whole, for programs.
        items: one a row.
        columns: of the table.
        none: what is said where there are no items.
        name: the members whose texts make the name of an item.
    """

    kind: str
    items: Sequence[Json]
    columns: Sequence[Column]
    none: str = ""
    name: tuple[str, ...] = ("name",)


def checked_format(output: str, *others: str) -> str:
    """The format, if it is one that is known.

    Args:
        output: what the user gave.
        others: formats of this command alone.
    """
    known = (TABLE, WIDE, "json", "yaml", NAME, *others)
    if output not in known and not output.startswith(JSONPATH):
        fail(f"--output {output!r} is not known; use one of {', '.join((*known, JSONPATH + '<template>'))}")
    return output


def show(answer: Answer, output: str) -> None:
    """Write an answer to the standard output."""
    if output in {TABLE, WIDE}:
        columns = [each for each in answer.columns if output == WIDE or not each.wide]
        if answer.items:
            show_table(columns, answer.items, styled=output != WIDE)
        else:
            typer.echo(answer.none, err=True)
    elif output == NAME:
        for item in answer.items:
            typer.echo("/".join(str(item[key]) for key in answer.name if item.get(key)))
    else:
        show_data({"apiVersion": _API_VERSION, "kind": answer.kind, "items": list(answer.items)}, output)


def show_data(data: Json, output: str) -> None:
    """Write data for programs."""
    if output.startswith(JSONPATH):
        from kubemacpool.cli.jsonpath import JsonPathError, evaluate

        try:
            typer.echo(evaluate(output.removeprefix(JSONPATH), data))
        except JsonPathError as error:
            fail(f"--output {output}: {error}")
    elif output == "yaml":
        import yaml

        typer.echo(yaml.safe_dump(data, sort_keys=False, allow_unicode=True), nl=False)
    else:
        import json

        typer.echo(json.dumps(data, indent=4, ensure_ascii=False))


def versioned(kind: str, data: Json) -> Json:
    """Data for programs with what they are."""
    return {"apiVersion": _API_VERSION, "kind": kind, **data}


def show_table(columns: Sequence[Column], items: Sequence[Json], *, styled: bool = True) -> None:
    """Write rows: with rich at a terminal, plain otherwise, and as wide as they are where somebody wants them so."""
    if styled and sys.stdout.isatty() and len(items) <= MOST_STYLED:
        from rich.console import Console

        Console(highlight=False).print(styled_table(columns, items))
    else:
        typer.echo(plain_table([column.title for column in columns], _rows(columns, items)))


def plain_table(titles: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Columns as wide as they have to be, the last one as it is."""
    widths = [max(map(len, column)) for column in zip(titles, *rows, strict=True)]
    form = _GAP.join(f"{{:{width}}}" for width in widths[:-1]) + (_GAP if len(widths) > 1 else "") + "{}"
    return "\n".join(form.format(*row).rstrip() for row in (titles, *rows))


def styled_table(columns: Sequence[Column], items: Sequence[Json]) -> "Table":
    """Rows for a terminal of any width: what does not fit goes on in the next line."""
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for column in columns:
        table.add_column(column.title, overflow="fold", no_wrap=column.whole)
    for row in _rows(columns, items):
        table.add_row(*(Text(text, column.styles.get(text, "")) for column, text in zip(columns, row, strict=True)))
    return table


def _rows(columns: Sequence[Column], items: Sequence[Json]) -> list[list[str]]:
    return [[_text(item.get(column.key, "")) for column in columns] for item in items]


def _text(value: object) -> str:
    if value is None:
        return "<none>"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return ", ".join(map(str, value)) if isinstance(value, list) else str(value)


def age(created: str) -> str:
    """How long ago a moment is, as kubectl shows it: 5s, 3m20s, 4h, 12d."""
    import datetime as dt

    try:
        seconds = int((dt.datetime.now(dt.UTC) - dt.datetime.fromisoformat(created)).total_seconds())
    except (ValueError, TypeError):
        return "<unknown>"
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if seconds < 120:  # noqa: PLR2004 (as kubectl has it)
        return f"{max(seconds, 0)}s"
    if minutes < 10:  # noqa: PLR2004 (same)
        return f"{minutes}m{seconds % 60}s" if seconds % 60 else f"{minutes}m"
    if hours < 3:  # noqa: PLR2004 (same)
        return f"{minutes}m"
    return f"{hours}h" if hours < 48 else f"{days}d"  # noqa: PLR2004 (same)
