"""Alerts name metrics; a name that nobody exposes is an alert that never fires."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.unit.telemetry.exposing import exposed

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "config" / "release" / "kubemacpool-monitoring.yaml"
OURS = re.compile(r"\b(?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+\b")


def _alerts() -> dict[str, dict[str, Any]]:
    documents = list(yaml.safe_load_all(MONITORING.read_text()))
    (rules,) = [document for document in documents if document["kind"] == "PrometheusRule"]
    return {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("alert", _alerts())
def test_an_alert_asks_for_metrics_that_are_exposed(alert: str) -> None:
    reserved = set(OURS.findall(_alerts()[alert]["expr"]))
    assert reserved
    assert reserved <= exposed()


def test_the_alert_that_users_of_the_go_implementation_know_is_as_it_was() -> None:
    alert = _alerts()["KubemacpoolMACCollisionDetected"]
    assert (alert["expr"], alert["for"]) == ("count(kmp_mac_collisions > 1) > 0", "30s")


def test_the_readme_explains_metrics_that_areexposed() -> None:
    reserved = set(re.findall(r"`((?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+)", (ROOT / "README.md").read_text()))
    assert reserved
    assert reserved <= exposed()
