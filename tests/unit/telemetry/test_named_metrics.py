"""Alerts and documents name metrics; a name that nobody exposes is an alert that never fires."""

import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families
from tests.unit.doubles import new_allocator

from kubemacpool.telemetry.metrics import Metrics

ROOT = Path(__file__).parents[3]
MONITORING = ROOT / "config" / "release" / "kubemacpool-monitoring.yaml"
OURS = re.compile(r"\b(?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+\b")


class Election:
    """Somebody leads."""

    leading = True
    transitions = 1
    seconds_since_renewal = 0.5
    seconds_without_leader = 2.0


def _exposed() -> set[str]:
    """The names of all series that a replica exposes."""
    allocator = new_allocator()
    metrics = Metrics()
    metrics.follow(allocator.ledger)
    metrics.follow_election(Election(), allocator)
    metrics.admission("allocated", 0.001)
    metrics.forwarded("answered")
    metrics.unreadable("Pod")
    metrics.event_dropped("MACCollision")
    metrics.set_aside("Pod", 1)
    metrics.task_restarted("events")
    families = list(text_string_to_metric_families(metrics.exposition()[0].decode()))
    return {name for family in families for name in (family.name, *(sample.name for sample in family.samples))}


def _alerts() -> dict[str, dict[str, Any]]:
    documents = list(yaml.safe_load_all(MONITORING.read_text()))
    (rules,) = [document for document in documents if document["kind"] == "PrometheusRule"]
    return {rule["alert"]: rule for group in rules["spec"]["groups"] for rule in group["rules"]}


@pytest.mark.parametrize("alert", _alerts())
def test_an_alert_asks_for_metrics_that_are_exposed(alert: str) -> None:
    reserved = set(OURS.findall(_alerts()[alert]["expr"]))
    assert reserved
    assert reserved <= _exposed()


def test_the_alert_that_users_of_the_go_implementation_know_is_as_it_was() -> None:
    alert = _alerts()["KubemacpoolMACCollisionDetected"]
    assert (alert["expr"], alert["for"]) == ("count(kmp_mac_collisions > 1) > 0", "30s")


def test_the_readme_explains_metrics_that_are_exposed() -> None:
    reserved = set(re.findall(r"`((?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+)", (ROOT / "README.md").read_text()))
    assert reserved
    assert reserved <= _exposed()
