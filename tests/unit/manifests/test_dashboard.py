"""The Grafana dashboard, as JSON."""

from __future__ import annotations

import itertools
import json
import re
from typing import Any, Final

import pytest
import yaml
from manifests.dashboard import CONFIG_MAP, TARGET, WIDTH, config_map, dashboard, queries
from manifests.rules import SOURCE
from tests.unit.telemetry.exposing import exposed

MODEL: Final[dict[str, Any]] = json.loads(dashboard())
PANELS: Final[list[dict[str, Any]]] = MODEL["panels"]


def test_the_files_are_what_make_manifests_writes() -> None:
    assert (TARGET.read_text(), CONFIG_MAP.read_text()) == (dashboard(), config_map()), "run `make manifests`"


def test_the_config_map_has_the_label_of_the_sidecar_and_the_dashboard() -> None:
    found = yaml.safe_load(CONFIG_MAP.read_text())
    assert found["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert [json.loads(text) for text in found["data"].values()] == [MODEL]


@pytest.mark.parametrize("query", list(queries()))
def test_a_query_asks_for_what_is_exposed_or_recorded(query: str) -> None:
    recorded = {rule.get("record") for group in yaml.safe_load(SOURCE.read_text())["groups"] for rule in group["rules"]}
    assert set(re.findall(r"\b(?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+\b", query)) <= exposed()
    assert set(re.findall(r"\bkubemacpool:[a-z_:0-9]+\b", query)) <= recorded


def test_every_query_is_in_a_panel_with_the_data_source_that_the_viewer_chooses() -> None:
    targets = [target for panel in PANELS for target in panel.get("targets", [])]
    assert sorted(target["expr"] for target in targets) == sorted(queries())
    (variable,) = MODEL["templating"]["list"]
    assert all(target["datasource"]["uid"] == f"${{{variable['name']}}}" for target in targets)


def test_no_panel_covers_another_and_all_are_within_the_width() -> None:
    covered = [
        (column, line)
        for panel in PANELS
        for column, line in itertools.product(
            range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"]),
            range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"]),
        )
    ]
    assert len(covered) == len(set(covered))
    assert max(column for column, _ in covered) < WIDTH
    assert len({panel["id"] for panel in PANELS}) == len(PANELS)
