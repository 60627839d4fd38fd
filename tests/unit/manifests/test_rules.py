"""The rules of Prometheus, as text: what they name is there, and what they are made into is current."""

from __future__ import annotations

import re
from typing import Any, Final

import pytest
import yaml
from manifests.rules import SOURCE, TARGET, rules
from tests.unit.docs.markdown import anchors
from tests.unit.docs.tree import ROOT
from tests.unit.telemetry.exposing import exposed

RUNBOOKS: Final = ROOT / "docs" / "runbooks.md"
OURS: Final = re.compile(r"\b(?:kubemacpool|kmp|kubevirt_kmp)_[a-z_]+\b")
RECORDED: Final = re.compile(r"\bkubemacpool:[a-z_:0-9]+\b")
GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(SOURCE.read_text())["groups"]
RULES: Final[dict[str, dict[str, Any]]] = {
    rule.get("alert") or rule["record"]: rule for group in GROUPS for rule in group["rules"]
}
ALERTS: Final = [name for name, rule in RULES.items() if "alert" in rule]


def test_the_object_of_the_operator_is_what_make_manifests_writes() -> None:
    assert TARGET.read_text() == rules(), "edit kubemacpool.rules.yaml, then run `make manifests`"


def test_the_object_of_the_operator_has_the_rules_as_they_are_tested() -> None:
    assert yaml.safe_load(TARGET.read_text())["spec"] == {"groups": GROUPS}


@pytest.mark.parametrize("name", RULES)
def test_a_rule_asks_for_what_is_exposed_or_recorded(name: str) -> None:
    """A name that nobody has is an alert that never fires."""
    asked, recorded = (set(pattern.findall(RULES[name]["expr"])) for pattern in (OURS, RECORDED))
    assert asked or recorded or "apiserver_" in RULES[name]["expr"]
    assert asked <= exposed()
    assert recorded <= RULES.keys()


def test_the_alert_that_users_of_the_go_implementation_know_is_as_it_was() -> None:
    alert = RULES["KubemacpoolMACCollisionDetected"]
    assert (alert["expr"], alert["for"]) == ("count(kmp_mac_collisions > 1) > 0", "30s")


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_where_what_to_do_stands(alert: str) -> None:
    rule = RULES[alert]
    assert rule["labels"]["severity"] in {"warning", "critical"}
    assert rule["annotations"].keys() == {"summary", "description", "runbook_url"}
    assert rule["annotations"]["summary"].endswith(".")
    page, _, anchor = rule["annotations"]["runbook_url"].partition("#")
    assert page == "https://example.com/kubemacpool/docs/runbooks.md"
    assert anchor == alert.lower()
    assert anchor in anchors(RUNBOOKS.read_text())


@pytest.mark.parametrize("alert", ALERTS)
def test_a_runbook_says_what_it_means_what_to_look_at_what_to_do_and_how_to_be_sure(alert: str) -> None:
    text = RUNBOOKS.read_text()
    section = text.split(f"\n## {alert}\n", 1)[1].split("\n## ", 1)[0]
    told = re.findall(r"^\*\*(.+?)\*\*", section, re.MULTILINE)
    assert told == ["What it means.", "What to look at.", "What to do.", "How to be sure."]
