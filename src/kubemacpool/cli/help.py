"""How help reads: a column of flags and one of text, wrapped at words, in groups.

Commands are imported when they are called: that keeps help quick.
"""

import importlib
import re
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any, ClassVar, Final, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup

if TYPE_CHECKING:
    from typer._click import Command, Context, HelpFormatter
    from typer._click.shell_completion import CompletionItem

WIDEST: Final = 110
"""Columns: lines that are longer than this are hard to read, however wide the terminal is."""

FLAGS_WIDTH: Final = 27
"""Columns of the flags: what is longer has a line of its own."""

_FACTS: Final = re.compile(r" *\[(env var: [^;]*)?(?:; )?(?:default: (.*))?\]$")
"""What click puts behind a flag's text."""

CONTEXT: Final[dict[str, Any]] = {"help_option_names": ["-h", "--help"], "max_content_width": WIDEST}

OTHER: Final = "Other"

COMPLETE: Final = "_KUBEMACPOOL_COMPLETE"
"""What a shell sets when it wants something completed."""


class GroupedCommand(TyperCommand):
    """A command whose flags are listed in groups, in the order in which it has them."""

    def format_options(self, ctx: "Context", formatter: "HelpFormatter") -> None:
        """Write the flags."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for param in self.get_params(ctx):
            record = param.get_help_record(ctx)
            if record is not None:
                group = getattr(param, "rich_help_panel", None)
                argument = "Arguments" if param.param_type_name == "argument" else OTHER
                groups.setdefault(group or argument, []).append(record)
        for group in sorted(groups, key=OTHER.__eq__):
            with formatter.section(group):
                _write(formatter, groups[group])

    def format_epilog(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002 (click's signature)
        """Write the examples as they are."""
        if self.epilog:
            formatter.write_paragraph()
            for line in self.epilog.splitlines():
                formatter.write(f"{line}\n" if line else "\n")


class Entry(NamedTuple):
    """A command that is not imported yet.

    Attributes:
        module: where `app` has it.
        group: under which the help lists it.
        summary: one sentence.
    """

    module: str
    group: str
    summary: str


class LazyGroup(TyperGroup):
    """Commands that are imported when they are called, so that help takes a tenth of a second."""

    entries: ClassVar[Mapping[str, Entry]]

    def list_commands(self, ctx: "Context") -> list[str]:  # noqa: ARG002 (click's signature)
        """Name the commands."""
        return list(self.entries)

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":  # noqa: ARG002 (click's signature)
        """Import a command; None where there is none of that name."""
        entry = self.entries.get(cmd_name)
        if entry is None:
            return None
        command: Command = typer.main.get_command(importlib.import_module(entry.module).app)
        command.name = cmd_name
        return command

    def format_commands(self, ctx: "Context", formatter: "HelpFormatter") -> None:  # noqa: ARG002 (click's signature)
        """Write what there is, without importing it."""
        groups: dict[str, list[tuple[str, str]]] = {}
        for name, entry in self.entries.items():
            groups.setdefault(entry.group, []).append((name, entry.summary))
        for group, records in groups.items():
            with formatter.section(group):
                _write(formatter, records)

    def shell_complete(self, ctx: "Context", incomplete: str) -> "list[CompletionItem]":
        """Complete the name of a command, without importing any."""
        from typer._click.shell_completion import CompletionItem

        names = [
            CompletionItem(name, help=each.summary)
            for name, each in self.entries.items()
            if name.startswith(incomplete)
        ]
        return names or super().shell_complete(ctx, incomplete)


def _write(formatter: "HelpFormatter", records: Iterable[tuple[str, str]]) -> None:
    """Write two columns, the second of which begins at the same place in every group."""
    indent = " " * (formatter.current_indent + FLAGS_WIDTH)
    for flags, text in records:
        told = _FACTS.sub(_facts, text) if "[" in text else text
        lines = textwrap.wrap(told, formatter.width - len(indent), break_on_hyphens=False, break_long_words=False)
        begin = " " * formatter.current_indent + flags
        if len(begin) + 2 > len(indent):
            formatter.write(f"{begin}\n")
        else:
            formatter.write(f"{begin.ljust(len(indent))}{lines.pop(0) if lines else ''}\n")
        for line in lines:
            formatter.write(f"{indent}{line}\n")


def _facts(found: re.Match[str]) -> str:
    variable, default = found.groups()
    if default is not None and default.startswith("(") and default.endswith(")"):
        default = default[1:-1]
    told = [variable or "", f"default: {default}" if default else ""]
    return f" [{'; '.join(filter(None, told))}]"


def command_app() -> typer.Typer:
    """What one command is registered with."""
    return typer.Typer(
        add_completion=False, pretty_exceptions_enable=False, rich_markup_mode=None, context_settings=CONTEXT
    )
