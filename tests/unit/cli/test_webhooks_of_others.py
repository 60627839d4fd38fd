"""Which namespaces a webhook configuration serves, and which configurations are dangerous."""

from typing import Any

import pytest
import yaml
from manifests.releases import RELEASES, text

from kubemacpool.cli.cluster.selectors import matches
from kubemacpool.cli.cluster.survey import Survey, settings_of
from kubemacpool.cli.pool.audit import of_webhooks
from kubemacpool.cli.pool.desk import Desk
from kubemacpool.cli.pool.ranges import SHIPPED, pool_of
from kubemacpool.wire.config import ConflictPolicy


def _released(kind: str) -> dict[str, Any]:
    (found,) = [each for each in yaml.safe_load_all(text(RELEASES[0])) if each["kind"] == kind]
    return dict(found)


def _survey(configuration: dict[str, Any]) -> Survey:
    found = Survey(Desk(pool_of(SHIPPED, [])))
    found.configuration = configuration
    found.webhooks = {each["name"]: each for each in configuration["webhooks"]}
    return found


def _rules(configuration: dict[str, Any]) -> list[str]:
    return [each.rule for each in of_webhooks(_survey(configuration), "kubemacpool-system")]


@pytest.mark.parametrize(
    ("selector", "matched"),
    [
        (None, True),
        ({}, True),
        ({"matchLabels": {"a": "1"}}, True),
        ({"matchLabels": {"a": "2"}}, False),
        ({"matchExpressions": [{"key": "a", "operator": "In", "values": ["1", "2"]}]}, True),
        ({"matchExpressions": [{"key": "b", "operator": "In", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "NotIn", "values": ["1"]}]}, False),
        ({"matchExpressions": [{"key": "b", "operator": "NotIn", "values": ["1"]}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "Exists"}]}, True),
        ({"matchExpressions": [{"key": "a", "operator": "DoesNotExist"}]}, False),
        ({"matchExpressions": [{"key": "a", "operator": "Near"}]}, False),
    ],
)
def test_a_selector_matches_as_in_kubernetes(selector: dict[str, Any] | None, matched: bool) -> None:  # noqa: FBT001 (a case)
    assert matches(selector, {"a": "1"}) == matched


def test_what_is_released_serves_users_and_neither_the_cluster_nor_itself() -> None:
    found = _survey(_released("MutatingWebhookConfiguration"))
    found.namespaces["off"] = {"mutatepods.kubemacpool.io": "ignore"}
    assert found.is_served("Pod", "default")
    assert found.is_served("VirtualMachine", "off")
    assert not found.is_served("Pod", "off")
    assert not any(found.is_served(kind, "kube-system") for kind in ("Pod", "VirtualMachine"))
    assert _rules(_released("MutatingWebhookConfiguration")) == []


def test_a_configuration_that_keeps_a_cluster_from_recovering_is_found() -> None:
    configuration = _released("MutatingWebhookConfiguration")
    del configuration["webhooks"][0]["namespaceSelector"]
    assert _rules(configuration) == ["webhook-blocks-recovery"]
    del configuration["webhooks"][0]["matchConditions"]
    assert _rules(configuration) == ["webhook-blocks-recovery"] * 2
    configuration["webhooks"][0]["failurePolicy"] = "Ignore"
    assert _rules(configuration) == []
    configuration["webhooks"] = []
    assert _rules(configuration) == ["webhook-missing"]


@pytest.mark.parametrize("argument", ["--conflict-policy=warn", "--conflict-policy warn"])
def test_the_settings_of_replicas_are_those_of_their_deployment(argument: str) -> None:
    deployment = _released("Deployment")
    assert settings_of(deployment).conflict_policy is ConflictPolicy.REJECT
    container = deployment["spec"]["template"]["spec"]["containers"][0]
    container["args"] += [*argument.split(), "--pod-network"]
    found = settings_of(deployment)
    assert (found.conflict_policy, found.pod_network) == (ConflictPolicy.WARN, True)
    container["args"] = []
    container["env"] += [{"name": "KUBEMACPOOL_CONFLICT_POLICY", "value": "warn"}]
    assert settings_of(deployment).conflict_policy is ConflictPolicy.WARN
    assert settings_of(None).conflict_policy is ConflictPolicy.REJECT
