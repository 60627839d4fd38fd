"""The pages as the generator takes them: the documents of the tree, whose links lead to pages of the site.

Documents are written to be read where they stand. The README is the first page; a link to a file that is no page, such
as a source, is left as its text.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path, PurePosixPath
from posixpath import normpath, relpath
from typing import TYPE_CHECKING, Final

from website.diagrams import drawn
from website.navigation import HOME

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT: Final = Path(__file__).parents[1]
DOCS: Final = "docs"
TOP: Final = ("CHANGELOG.md", "CONTRIBUTING.md", "RELEASE.md", "SECURITY.md")
PICTURES: Final = frozenset({".svg", ".png"})

_FENCE: Final = re.compile(r"^([ ]*)(```+|~~~+)[^\n]*\n.*?^[ ]*\2[ ]*$", re.DOTALL | re.MULTILINE)
_LINK: Final = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
_SCHEME: Final = re.compile(r"[a-z]+:")


def sources(root: Path = ROOT) -> dict[str, str]:
    """Where a file of the tree stands in the site, by its path in the tree: pages and pictures."""
    found = {"README.md": HOME} | {name: name for name in TOP if (root / name).exists()}
    for path in sorted((root / DOCS).rglob("*")):
        if path.suffix == ".md" or path.suffix in PICTURES:
            found[path.relative_to(root).as_posix()] = path.relative_to(root / DOCS).as_posix()
    return found


def pages(root: Path = ROOT) -> dict[str, str]:
    """The text of every page, by its path in the site."""
    places = sources(root)
    return {
        place: relinked((root / source).read_text(encoding="utf-8"), source, places, root)
        for source, place in places.items()
        if place.endswith(".md")
    }


def write(target: Path, root: Path = ROOT) -> dict[str, str]:
    """Write pages and pictures where the generator reads them; gives the pages."""
    shutil.rmtree(target, ignore_errors=True)
    found = pages(root)
    for place, text in found.items():
        (target / place).parent.mkdir(parents=True, exist_ok=True)
        (target / place).write_text(text, encoding="utf-8")
    for source, place in sources(root).items():
        if place not in found:
            (target / place).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(root / source, target / place)
    return found


def relinked(text: str, source: str, places: dict[str, str], root: Path = ROOT) -> str:
    """A document whose links lead to where pages stand in the site.

    Args:
        text: the document.
        source: its path in the tree.
        places: of all pages and pictures.
        root: the tree. A link to what is not there stays as it is, so that the generator complains.
    """
    base = PurePosixPath(places[source]).parent
    folder = PurePosixPath(source).parent

    def led(match: re.Match[str]) -> str:
        picture, words, link = match.groups()
        if _SCHEME.match(link) or link.startswith("#"):
            return match[0]
        path, hash_, anchor = link.partition("#")
        place = places.get(normpath(folder / path)) or places.get(normpath(folder / path / "README.md"))
        if place is None:
            return words if (root / folder / path).exists() else match[0]
        return f"{picture}[{_LINK.sub(led, words)}]({relpath(place, base)}{hash_}{anchor})"

    return "".join(drawn(part, base, places) if fenced else _LINK.sub(led, part) for part, fenced in _parts(text))


def _parts(text: str) -> Iterator[tuple[str, bool]]:
    """The text in pieces, and whether each is a fenced block."""
    end = 0
    for match in _FENCE.finditer(text):
        yield text[end : match.start()], False
        yield match[0], True
        end = match.end()
    yield text[end:], False
