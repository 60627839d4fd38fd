"""Documents become pages of a site in which links lead to pages."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from website.navigation import SECTIONS, Page, placed
from website.pages import pages

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A tree with documents and a source."""
    (tmp_path / "docs" / "howto").mkdir(parents=True)
    (tmp_path / "docs" / "picture.svg").write_text("<svg/>")
    (tmp_path / "docs" / "howto" / "range.md").write_text("# Range\n")
    (tmp_path / "source.py").write_text("")
    return tmp_path


@pytest.mark.parametrize(
    ("source", "said", "becomes"),
    [
        ("README.md", "[a](docs/howto/range.md#x)", "[a](howto/range.md#x)"),
        ("README.md", "![p](docs/picture.svg)", "![p](picture.svg)"),
        ("README.md", "[![p](docs/picture.svg)](docs/howto/range.md)", "[![p](picture.svg)](howto/range.md)"),
        ("README.md", "[the `source`](source.py)", "the `source`"),
        ("README.md", "[gone](gone.md)", "[gone](gone.md)"),
        ("README.md", "[far](https://example.org/a.md), [here](#x)", "[far](https://example.org/a.md), [here](#x)"),
        ("docs/a.md", "[home](../README.md)", "[home](index.md)"),
        ("docs/howto/b.md", "[home](../../README.md#x)", "[home](../index.md#x)"),
        ("docs/a.md", "```\n[a](../source.py)\n```\n", "```\n[a](../source.py)\n```\n"),
    ],
)
def test_a_link_leads_to_the_page(tree: Path, source: str, said: str, becomes: str) -> None:
    (tree / "README.md").write_text("# It\n")
    (tree / source).write_text(said)

    assert becomes in pages(tree).values()


def test_a_page_without_a_place_stands_in_the_section_of_its_folder() -> None:
    texts = dict.fromkeys(["index.md", "new.md", "reference/new.md", "decisions/0001.md"], "# `New` one\n")

    assert placed(texts) == {
        "How-to": [Page("new.md", "New one")],
        "Reference": [Page("reference/new.md", "New one")],
        "Explanation": [Page("decisions/0001.md", "New one")],
    }


def test_pages_stand_in_the_order_of_their_section() -> None:
    wanted = SECTIONS["Explanation"][:2]

    assert [page.path for page in placed(dict.fromkeys(reversed(wanted), "x"))["Explanation"]] == list(wanted)
