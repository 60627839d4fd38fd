"""What is generated in the Helm chart: the objects that its template changes, and the table of values in its README."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import yaml

from manifests.releases import CONFIG, Release

if TYPE_CHECKING:
    from collections.abc import Iterator

CHART: Final = CONFIG.parent / "charts" / "kubemacpool"
README: Final = CHART / "README.md"
HEADER: Final = "# Made by `make manifests` from {}; not to be edited.\n"
SOURCES: Final = {
    "base": "base",
    "monitoring": "monitoring",
    "hardening": "hardening",
    "egress": "overlays/egress/network-policy.yaml",
    "cert-manager": "components/cert-manager/certificates.yaml",
}
FILES: Final = tuple(
    Release(CHART / "files" / f"{name}.yaml", CONFIG / source, HEADER.format(f"config/{source}"))
    for name, source in SOURCES.items()
)
_TABLE: Final = re.compile(r"(<!-- values -->\n).*(<!-- end of values -->\n)", re.DOTALL)
_KEY: Final = re.compile(r"( *)(\w+):(.*)")


class Value(NamedTuple):
    """A value of the chart: its path, what it is as shipped, and the comment above it."""

    path: str
    shipped: object
    comment: str


def readme() -> str:
    """Return the README of the chart as it is to be.

    Raises:
        ValueError: it has no place for the table of values, or a value has no comment.
    """
    rows = ["| value | as shipped | |", "| --- | --- | --- |"]
    for value in values():
        if not value.comment:
            message = f"{CHART / 'values.yaml'}: {value.path} has no comment, from which the README is made."
            raise ValueError(message)
        rows.append(f"| `{value.path}` | `{json.dumps(value.shipped)}` | {value.comment} |")
    table = "\n".join(rows)
    made, places = _TABLE.subn(lambda match: f"{match[1]}\n{table}\n\n{match[2]}", README.read_text(encoding="utf-8"))
    if places != 1:
        message = f"{README} has no place between `<!-- values -->` and `<!-- end of values -->`."
        raise ValueError(message)
    return made


def values() -> Iterator[Value]:
    """Every value that can be set, in the order of the file, each with the comment above it."""
    text = (CHART / "values.yaml").read_text(encoding="utf-8")
    shipped: dict[str, Any] = yaml.safe_load(text)
    path: list[str] = []
    comment: list[str] = []
    for line in text.splitlines():
        if line.lstrip().startswith("# "):
            comment.append(line.lstrip()[2:])
            continue
        if match := _KEY.fullmatch(line):
            path = [*path[: len(match[1]) // 2], match[2]]
            found: Any = shipped
            for key in path:
                found = found[key]
            if match[3].strip():
                yield Value(".".join(path), found, " ".join(comment))
        comment = []
