"""Metrics are named, typed and described by Prometheus' conventions, as promtool judges them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from references.metrics import exposition

if TYPE_CHECKING:
    from tests.monitoring.conftest import Promtool


def test_promtool_has_nothing_to_say_about_the_metrics(promtool: Promtool) -> None:
    judged = promtool("check", "metrics", given=exposition())
    assert (judged.returncode, judged.stdout, judged.stderr) == (0, "", "")


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ("# HELP kubemacpool_things Things.\n# TYPE kubemacpool_things counter\nkubemacpool_things 1\n", "_total"),
        ("# TYPE kubemacpool_things gauge\nkubemacpool_things 1\n", "no help text"),
        ("# HELP kubemacpool_ms Time.\n# TYPE kubemacpool_ms gauge\nkubemacpool_ms 1\n", "abbreviated"),
    ],
)
def test_what_is_against_them_would_be_said(promtool: Promtool, wrong: str, said: str) -> None:
    judged = promtool("check", "metrics", given=exposition() + wrong)
    assert judged.returncode != 0
    assert said in judged.stderr
