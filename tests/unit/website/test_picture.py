"""The README's picture shows what `make picture` types, and loads nothing."""

from __future__ import annotations

import html
import re

from website.picture import PICTURE, TYPED, taken


def words(picture: str) -> str:
    """What stands in a picture, with single spaces."""
    text = html.unescape(re.sub(r"<style>.*?</style>|<[^>]*>", "", picture, flags=re.DOTALL))
    return " ".join(text.split())


def test_the_picture_shows_the_commands_that_are_typed() -> None:
    shown = words(PICTURE.read_text())

    assert [command for command in TYPED if f"$ {command}" not in shown] == []


def test_a_picture_loads_nothing() -> None:
    made = taken([("kubectl get pods", "Error from server (Forbidden): 02:00:00:00:00:01\n")])

    assert "$ kubectl get pods" in words(made)
    assert not re.search(r"url\((?!#)|@import|@font-face|href=", made)
    assert not re.search(r"url\((?!#)|@import|@font-face|href=", PICTURE.read_text())
