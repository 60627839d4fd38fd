"""The reference of settings: flags of `kubemacpool manager` with their variables, and the keys of the ConfigMap."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import typer.main
from typer.core import TyperOption

from kubemacpool.cli import manager
from kubemacpool.wire.config import EXCLUDE, NAMESPACE_LIMIT, RANGE_CONFIG_MAP, RANGE_END, RANGE_START, START
from references.tables import FOLDER, code, table

if TYPE_CHECKING:
    from collections.abc import Mapping

PAGE: Final = FOLDER / "settings.md"

KEYS: Final[Mapping[str, tuple[str, str, str]]] = {
    RANGE_START: ("an address", "needed", "The first address of the pool."),
    RANGE_END: ("an address", "needed", "The last address of the pool, not below the first."),
    EXCLUDE: (
        "addresses and ranges",
        "none",
        "What is never handed out. A user may still ask for one of them by name.",
    ),
    START: (
        "`cluster`",
        "the first address",
        "The search begins at a place that is derived from the cluster's uid.",
    ),
    NAMESPACE_LIMIT: (
        "a whole number",
        "no limit",
        "How many addresses a namespace may have that has no limit of its own.",
    ),
}
"""The keys: what they hold, what counts without them, and what they say."""


def text() -> str:
    """Return the page as it is to be."""
    parts = ["# Settings\n", "Made from the code by `make references`.\n", "## The program\n", _INTRODUCTION]
    for group, options in _grouped().items():
        parts += [f"### {group}\n", table(("flag", "variable", "default", "meaning"), map(_row, options))]
    rows = [(code(key), *told) for key, told in KEYS.items()]
    parts += [
        f"## The ConfigMap `{RANGE_CONFIG_MAP}`\n",
        _CONFIG_MAP,
        table(("key", "holds", "default", "meaning"), rows),
    ]
    return "\n".join(parts)


_INTRODUCTION: Final = """Flags of `kubemacpool manager`, each of which has an environment variable; a flag counts more.
Those that cannot be stop the program at its start, with a sentence that names flag, variable, value and remedy.
"""

_CONFIG_MAP: Final = """It may be edited at any time and is taken up at once. One that is wrong changes
nothing: the range in force stays, and an Event `InvalidRange` says what is wrong.
"""


def _grouped() -> dict[str, list[TyperOption]]:
    groups: dict[str, list[TyperOption]] = {}
    for option in typer.main.get_command(manager.app).params:
        if isinstance(option, TyperOption) and not option.hidden and option.name != "help":
            groups.setdefault(option.rich_help_panel or "Other", []).append(option)
    return groups


def _row(option: TyperOption) -> tuple[str, str, str, str]:
    names = [option.envvar] if isinstance(option.envvar, str) else list(option.envvar or ())
    shown = option.show_default
    default = shown if isinstance(shown, str) else _default(option.default)
    return code(option.opts[0]), ", ".join(map(code, names)), default, " ".join((option.help or "").split())


def _default(value: object) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, bool):
        return "on" if value else "off"
    return code(str(getattr(value, "value", value)))
