"""Every alert fires when it should and not otherwise, as the real promtool evaluates the rules."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any, Final

import pytest
import yaml
from manifests.rules import SOURCE
from tests.monitoring.alerts import CASES

if TYPE_CHECKING:
    from pathlib import Path

    from tests.monitoring.alerts import Series
    from tests.monitoring.conftest import Promtool

GROUPS: Final[list[dict[str, Any]]] = yaml.safe_load(SOURCE.read_text())["groups"]
ALERTS: Final = {rule["alert"]: rule for group in GROUPS for rule in group["rules"] if "alert" in rule}


def test_promtool_has_nothing_to_say_about_the_rules(promtool: Promtool) -> None:
    judged = promtool("check", "rules", "--lint=all", "--lint-fatal", str(SOURCE))
    assert judged.returncode == 0, judged.stdout + judged.stderr


def test_every_alert_has_a_case() -> None:
    assert CASES.keys() == ALERTS.keys()


def _filled(annotation: str, labels: dict[str, str]) -> str:
    """As Prometheus fills in a template that names nothing but labels."""
    return re.sub(r"{{ \$labels\.(\w+) }}", lambda match: labels[match[1]], annotation)


def _test(alert: str, series: Series, *, fires: bool, name: str) -> dict[str, Any]:
    """One of promtool's tests: the alert is there with all labels and annotations, or it is not there."""
    case, rule = CASES[alert], ALERTS[alert]
    labels = {**case.labels, **rule["labels"]}
    annotations = {each: _filled(text, labels) for each, text in rule["annotations"].items()}
    expected = [{"exp_labels": labels, "exp_annotations": annotations}] if fires else []
    return {
        "name": name,
        "interval": "1m",
        "input_series": [{"series": each, "values": values} for each, values in series.items()],
        "alert_rule_test": [{"alertname": alert, "eval_time": case.at, "exp_alerts": expected}],
    }


def _judged(promtool: Promtool, directory: Path, tests: list[dict[str, Any]]) -> tuple[int, str]:
    path = directory / "test.yaml"
    path.write_text(json.dumps({"rule_files": [str(SOURCE)], "evaluation_interval": "30s", "tests": tests}))
    judged = promtool("test", "rules", str(path))
    return judged.returncode, judged.stdout + judged.stderr


QUIET: Final = [(alert, variant) for alert, case in CASES.items() for variant in range(len(case.quiet))]


@pytest.fixture(scope="session")
def said(promtool: Promtool, tmp_path_factory: pytest.TempPathFactory) -> str:
    """What promtool says about all cases, for which it is started once: that takes as long as all of them."""
    firing = [_test(alert, case.firing, fires=True, name=f"{alert} fires") for alert, case in CASES.items()]
    quiet = [
        _test(alert, CASES[alert].quiet[variant], fires=False, name=f"{alert} is quiet, {variant}")
        for alert, variant in QUIET
    ]
    status, told = _judged(promtool, tmp_path_factory.mktemp("rules"), firing + quiet)
    assert status == 0 or "name: " in told, told
    return told


@pytest.mark.parametrize("alert", CASES)
def test_an_alert_fires(said: str, alert: str) -> None:
    assert f"name: {alert} fires" not in said, said


@pytest.mark.parametrize(("alert", "variant"), QUIET)
def test_an_alert_does_not_fire(said: str, alert: str, variant: int) -> None:
    assert f"name: {alert} is quiet, {variant}" not in said, said


def test_what_is_not_as_expected_is_found_by_its_name(promtool: Promtool, tmp_path: Path) -> None:
    quiet = CASES["KubemacpoolNoLeader"].quiet[0]
    status, told = _judged(promtool, tmp_path, [_test("KubemacpoolNoLeader", quiet, fires=True, name="it fires")])
    assert status != 0
    assert "name: it fires" in told
