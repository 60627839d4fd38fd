"""What a page of the site has: its anchors, where it points, and what it loads."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from typing import TYPE_CHECKING, Final
from urllib.parse import unquote, urldefrag

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

_VOID: Final = frozenset({"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "wbr"})
_OPTIONAL: Final = frozenset({"p", "li", "html", "body", "head", "tr", "td", "th", "thead", "tbody", "dt", "dd"})
"""Elements that HTML lets end by themselves."""

_LOADED: Final = {"img": "src", "script": "src", "source": "src", "iframe": "src"}
_LOADED_LINKS: Final = frozenset({"stylesheet", "icon", "preload", "preconnect", "dns-prefetch", "manifest"})


class Html(HTMLParser):
    """A page, read once.

    Attributes:
        ids: every anchor, as often as it is there.
        links: what a reader can follow.
        loaded: what the browser fetches by itself.
        unbalanced: elements that end without having begun, or do not end.
        config: what the page's scripts are told.
    """

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.unbalanced: list[str] = []
        self.config: dict[str, object] = {}
        self._open: list[str] = []
        self._in_config = False
        self.feed(text)
        self.close()
        self.unbalanced += [tag for tag in self._open if tag not in _OPTIONAL]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element."""
        given = {name: value or "" for name, value in attrs}
        if "id" in given:
            self.ids.append(given["id"])
        if tag == "a" and "href" in given:
            self.links.append(given["href"])
        if tag in _LOADED and given.get(_LOADED[tag]):
            self.loaded.append(given[_LOADED[tag]])
        if tag == "link" and _LOADED_LINKS & set(given.get("rel", "").split()):
            self.loaded.append(given["href"])
        self._in_config = given.get("id") == "__config"
        if tag not in _VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Take in an element that ends at once, as in pictures."""
        self.handle_starttag(tag, attrs)
        if tag not in _VOID:
            self._open.pop()

    def handle_endtag(self, tag: str) -> None:
        """Close an element, and with it those that end by themselves."""
        while self._open and self._open[-1] != tag and self._open[-1] in _OPTIONAL:
            self._open.pop()
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unbalanced.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        """Read the settings of the scripts."""
        if self._in_config and data.strip():
            self.config = json.loads(data)


def faults(site: Path, pages: dict[Path, Html]) -> Iterator[str]:
    """What is wrong in a site, a sentence each."""
    for path, page in pages.items():
        name = path.relative_to(site)
        yield from (f"{name}: <{tag}> is not balanced" for tag in page.unbalanced)
        yield from (f"{name}: the id {each} is there twice" for each in {e for e in page.ids if page.ids.count(e) > 1})
        for link in page.loaded:
            if "//" in link:
                yield f"{name}: loads {link} from elsewhere"
        for link in (*page.links, *page.loaded):
            yield from (f"{name}: {fault}" for fault in _of_link(link, path, site, pages))


def _of_link(link: str, path: Path, site: Path, pages: dict[Path, Html]) -> Iterator[str]:
    if "://" in link or link.startswith(("mailto:", "data:")):
        return
    url, anchor = urldefrag(link)
    target = path if not url else (site / url.lstrip("/") if url.startswith("/") else path.parent / unquote(url))
    target = target.resolve()
    if target.is_dir():
        target /= "index.html"
    if not target.exists():
        yield f"{link} leads nowhere"
    elif anchor and target in pages and unquote(anchor) not in pages[target].ids:
        yield f"{link} leads to no heading"
