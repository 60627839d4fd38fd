"""The dashboard is what Grafana expects, as the schemas say that Grafana publishes."""

from __future__ import annotations

import json
import subprocess
from typing import TYPE_CHECKING, Any

import pytest
from manifests.dashboard import dashboard

from devcluster import assets

if TYPE_CHECKING:
    from collections.abc import Callable
    from subprocess import CompletedProcess

    Judge = Callable[[str], CompletedProcess[str]]


@pytest.fixture(scope="session")
def judge() -> Judge:
    """Have the types of Grafana's foundation SDK, which are made from its schemas, read a dashboard strictly."""
    program = assets.built(assets.grafana(), print) / "judge-dashboard"
    return lambda text: subprocess.run([str(program)], input=text, capture_output=True, text=True, check=False)


def test_the_dashboard_is_as_the_schemas_say(judge: Judge) -> None:
    judged = judge(dashboard())
    assert (judged.returncode, judged.stderr) == (0, "")


def _with_key_of_panel(model: dict[str, Any]) -> None:
    model["panels"][1]["kind"] = "stat"


def _with_option(model: dict[str, Any]) -> None:
    model["panels"][1]["options"]["legends"] = {}


def _with_key_of_query(model: dict[str, Any]) -> None:
    model["panels"][1]["targets"][0]["expression"] = "up"


def _with_text_for_number(model: dict[str, Any]) -> None:
    model["schemaVersion"] = "42"


@pytest.mark.parametrize("spoil", [_with_key_of_panel, _with_option, _with_key_of_query, _with_text_for_number])
def test_what_is_not_as_the_schemas_say_is_found(judge: Judge, spoil: Callable[[dict[str, Any]], None]) -> None:
    model = json.loads(dashboard())
    spoil(model)
    judged = judge(json.dumps(model))
    assert judged.returncode != 0
    assert judged.stderr
