"""The documentation site can be read: every page, without a network."""

from __future__ import annotations

import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from posixpath import normpath
from typing import TYPE_CHECKING

import pytest
from tests.docs import browser
from tests.docs.html import Html, faults
from website.building import BuildError, build
from website.pages import pages

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


class _Silent(SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def address(site: Path) -> Iterator[str]:
    """Where the site is served."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Silent, directory=str(site)))
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


def html_of(site: Path) -> dict[Path, Html]:
    """Every page of a site."""
    return {path: Html(path.read_text()) for path in site.rglob("*.html")}


def test_every_document_is_a_page_that_the_navigation_reaches(site: Path) -> None:
    first = Html((site / "SECURITY.html").read_text())

    assert {f"{path.removesuffix('.md')}.html".replace("README", "index") for path in pages()} <= {
        normpath(link.partition("#")[0]) for link in first.links
    }


def test_every_link_of_the_site_leads_somewhere_and_nothing_comes_from_elsewhere(site: Path) -> None:
    found = html_of(site)

    assert len(found) > 10
    assert not [fault for fault in faults(site, found) if not fault.startswith("404.html")]


@pytest.mark.parametrize(
    ("html", "fault"),
    [
        ('<p id="a"></p><p id="a"></p>', "the id a is there twice"),
        ("<div><span></div>", "<div> is not balanced"),
        ('<a href="gone.html">x</a>', "gone.html leads nowhere"),
        ('<a href="#gone">x</a>', "#gone leads to no heading"),
        ('<script src="https://example.org/x.js"></script>', "loads https://example.org/x.js from elsewhere"),
        ('<link rel="stylesheet" href="//example.org/x.css">', "loads //example.org/x.css from elsewhere"),
        ('<img src="gone.svg">', "gone.svg leads nowhere"),
    ],
)
def test_what_is_wrong_in_a_page_is_found(tmp_path: Path, html: str, fault: str) -> None:
    (tmp_path / "index.html").write_text(html)

    assert f"index.html: {fault}" in list(faults(tmp_path, html_of(tmp_path)))


@pytest.mark.parametrize("link", ["docs/gone.md", "#gone", "docs/other.md#gone"])
def test_a_site_with_a_broken_link_is_not_built(tmp_path: Path, link: str) -> None:
    (tmp_path / "docs").mkdir()
    (tmp_path / "README.md").write_text(f"# It\n\nSee [this]({link}).\n")
    (tmp_path / "docs" / "other.md").write_text("# Other\n")

    with pytest.raises(BuildError, match=r"does not exist|not found"):
        build(tmp_path / "out", tmp_path)


async def test_in_a_browser_every_page_is_drawn_without_a_complaint(site: Path, address: str, tmp_path: Path) -> None:
    program = browser.found()
    if program is None:
        pytest.skip("no Chromium here (Debian: chromium-headless-shell): the pages were parsed, and not looked at")
    async with browser.tab(program, tmp_path) as tab:
        for path in sorted(html_of(site)):
            await tab.visit(f"{address}/{path.relative_to(site)}")
            drawn = await tab.evaluate("document.querySelector('h1').getBoundingClientRect().height")
            wide = await tab.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
            broken = await tab.evaluate("[...document.images].filter(i => i.complete && !i.naturalWidth).length")
            assert drawn > 0, path
            assert wide <= 0, f"{path} is {wide} wider than the window"
            assert not broken, path

        assert not [url for url in tab.asked if not url.startswith((address, "data:", "blob:", "about:"))]
        assert not tab.complaints
