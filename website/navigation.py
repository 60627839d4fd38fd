"""Which page stands where: what somebody wants who comes for it, and what nobody has placed yet."""

from __future__ import annotations

import re
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Final, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

HOME: Final = "index.md"

SECTIONS: Final[Mapping[str, Sequence[str]]] = {
    "Tutorial": ["tutorial.md"],
    "How-to": [
        "howto/install.md",
        "image.md",
        "migrate.md",
        "howto/range.md",
        "howto/namespaces.md",
        "howto/two-clusters.md",
        "howto/restore.md",
        "howto/sticky.md",
        "howto/metrics.md",
        "howto/upgrade.md",
        "howto/recover.md",
        "howto/trouble.md",
        "howto/collisions.md",
        "howto/air-gapped.md",
        "certificates.md",
        "access.md",
        "callers.md",
        "monitoring.md",
        "runbooks.md",
    ],
    "Reference": [
        "reference/commands.md",
        "reference/pods.md",
        "reference/machines.md",
        "reference/settings.md",
        "reference/annotations.md",
        "reference/metrics.md",
        "reference/events.md",
        "reference/errors.md",
        "reference/exit-statuses.md",
        "CHANGELOG.md",
    ],
    "Explanation": [
        "architecture.md",
        "threat-model.md",
        "comparison.md",
        "benchmarks.md",
        "chaos.md",
        "decisions/README.md",
    ],
    "Develop": ["CONTRIBUTING.md", "nodes.md", "RELEASE.md", "SECURITY.md"],
}
"""The pages of each section, in order. What is not written yet is passed over."""

OTHERS: Final[Mapping[str, str]] = {"howto": "How-to", "reference": "Reference", "decisions": "Explanation"}
"""In which section a page of a folder stands that is not placed above."""

ELSEWHERE: Final = "How-to"

_HEADING: Final = re.compile(r"^# +(.+?) *#*$", re.MULTILINE)


class Page(NamedTuple):
    """A page of the site.

    Attributes:
        path: where it stands in the site.
        title: what the navigation calls it.
    """

    path: str
    title: str


def placed(texts: Mapping[str, str]) -> dict[str, list[Page]]:
    """Every page but the first, by section.

    Args:
        texts: the pages by their paths in the site.
    """
    sections = {
        name: [Page(path, title_of(path, texts[path])) for path in paths if path in texts]
        for name, paths in SECTIONS.items()
    }
    known = {HOME, *(path for paths in SECTIONS.values() for path in paths)}
    for path in sorted(texts.keys() - known):
        folder = PurePosixPath(path).parts[0]
        sections[OTHERS.get(folder, ELSEWHERE)].append(Page(path, title_of(path, texts[path])))
    return {name: pages for name, pages in sections.items() if pages}


def title_of(path: str, text: str) -> str:
    """The first heading, or the name of the file."""
    found = _HEADING.search(text)
    return re.sub(r"[`*]", "", found[1]) if found else PurePosixPath(path).stem
