"""What is generated in the chart is current, and every value is described."""

from __future__ import annotations

import json
import tomllib
from typing import Any

import pytest
import yaml
from manifests.chart import CHART, FILES, README, readme, values
from manifests.releases import Release, text

SCHEMA = json.loads((CHART / "values.schema.json").read_text())


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.target.name)
def test_the_charts_objects_are_what_make_manifests_writes(file: Release) -> None:
    assert file.target.read_text() == text(file), "run `make manifests`"


def test_the_readme_lists_the_values_that_there_are() -> None:
    assert README.read_text() == readme(), "run `make manifests`"


def described(path: str) -> dict[str, Any]:
    """What the schema says of a value."""
    found: dict[str, Any] = SCHEMA
    for key in path.split("."):
        found = found["properties"][key]
    return found


def test_the_schema_knows_every_value_and_no_other() -> None:
    def leaves(schema: dict[str, Any], path: str) -> list[str]:
        inner = schema.get("properties")
        return [path] if inner is None else [each for key in inner for each in leaves(inner[key], f"{path}.{key}")]

    known = {path for key in SCHEMA["properties"] for path in leaves(SCHEMA["properties"][key], key)}
    listed = {value.path for value in values()}
    assert all(described(path) for path in listed)
    inside = {path for path in known if not any(path == each or path.startswith(f"{each}.") for each in listed)}
    assert inside == {"global"}  # which Helm gives to every chart


def test_the_chart_has_the_version_of_what_it_installs() -> None:
    version = tomllib.loads((CHART.parents[1] / "pyproject.toml").read_text())["project"]["version"]
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    assert (chart["version"], chart["appVersion"]) == (version, version)
