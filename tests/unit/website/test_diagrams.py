"""Diagrams have their pictures, so that the site fetches nothing to draw them."""

from __future__ import annotations

from website.diagrams import FOLDER, diagrams, name_of
from website.pages import DOCS, ROOT, pages


def test_every_diagram_is_drawn_and_nothing_else() -> None:
    wanted = {name_of(each) for path in (ROOT / DOCS).rglob("*.md") for each in diagrams(path.read_text())}

    assert wanted
    assert {path.name for path in (ROOT / DOCS / FOLDER).iterdir()} == wanted, "run `make diagrams`"


def test_on_a_page_a_diagram_is_its_picture() -> None:
    assert not [place for place, text in pages().items() if "```mermaid" in text]
    assert f"]({FOLDER}/" in pages()["architecture.md"]


def test_a_diagram_that_changes_has_another_picture() -> None:
    assert name_of("flowchart LR\n a --> b\n") != name_of("flowchart LR\n a --> c\n")
