"""explain and doctor: what they say is what the webhook does, and nothing is done by asking."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from tests.support.cluster_client import ClusterClient, pod
from tests.support.machine_manifests import machine, nic
from tests.support.machines import Machines

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cli.conftest import Run
    from tests.e2e.conftest import Block

CONFIGURATION = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations/kubemacpool-mutator"
PREDECESSOR = "/apis/apps/v1/namespaces/kubemacpool-system/deployments"
ONE = '[{"name":"one"}]'


def _written(folder: Path, *manifests: dict[str, object]) -> Path:
    path = folder / "manifest.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": list(manifests)}))
    return path


async def test_explain_says_what_is_refused_in_the_words_of_the_webhook(
    run: Run, cluster: ClusterClient, namespace: str, block: Block, tmp_path: Path
) -> None:
    taken = f'[{{"name":"one","mac":"{block[1]}"}}]'
    await cluster.made(namespace, pod("first", taken))
    asked = _written(tmp_path, pod("second", taken), pod("third", ONE))
    second, third = (await run("explain", "-f", asked, "-n", namespace, "-o=json", status=1)).data["items"]
    refusal = (await cluster.create(namespace, pod("second", taken))).message
    assert second["verdict"] == "refused"
    assert second["because"][-1] in refusal
    assert third["verdict"] == "admitted, with addresses"
    assert await _is_not_there(cluster, namespace, "third")


async def test_explain_says_what_a_change_does_to_an_object_that_exists(
    run: Run, cluster: ClusterClient, namespace: str, tmp_path: Path
) -> None:
    await Machines(cluster, namespace).made(machine("vm", nic("one")))
    asked = _written(tmp_path, machine("vm", nic("one"), nic("two")))
    (told,) = (await run("explain", "-f", asked, "-n", namespace, "-o=json")).data["items"]
    assert told["verdict"] == "admitted, with addresses"
    assert "the object exists, so that this is a change" in told["because"][0]


async def test_explain_says_why_nobody_is_asked(
    run: Run, cluster: ClusterClient, namespace: str, tmp_path: Path
) -> None:
    await cluster.leave_pods_alone(namespace)
    asked = _written(tmp_path, pod("one", ONE))
    shown = await run("explain", "-f", asked, "-n", namespace)
    assert f"Pod {namespace}/one ({asked}:1): let through as it is" in shown.out
    assert f"the webhook is not asked: namespace {namespace} is not served" in shown.out


async def test_doctor_finds_a_healthy_installation_well(run: Run) -> None:
    found = (await run("doctor", "-o=json")).data["items"]
    assert {each["result"] for each in found} == {"ok"}
    checks = {each["check"] for each in found}
    assert checks >= {"API server", "range", "replicas", "leader", "webhooks", "certificates", "webhook", "rights"}


async def test_doctor_finds_what_the_go_implementation_has_left(run: Run, cluster: ClusterClient) -> None:
    labels = {"app": "left"}
    container = {"name": "a", "image": "b"}
    left = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "kubemacpool-cert-manager"},
        "spec": {
            "replicas": 0,
            "selector": {"matchLabels": labels},
            "template": {"metadata": {"labels": labels}, "spec": {"containers": [container]}},
        },
    }
    made = await cluster.ask("POST", PREDECESSOR, left)
    assert made.created, made
    try:
        found = (await run("doctor", "-o=json", status=1)).data["items"]
    finally:
        await cluster.ask("DELETE", f"{PREDECESSOR}/kubemacpool-cert-manager")
    (fault,) = [each for each in found if each["result"] == "fault"]
    assert fault["check"] == "predecessor"
    assert fault["remedy"] == "kubectl -n kubemacpool-system delete deployment kubemacpool-cert-manager"


async def _is_not_there(cluster: ClusterClient, namespace: str, name: str) -> bool:
    return (await cluster.ask("GET", f"/api/v1/namespaces/{namespace}/pods/{name}")).status == 404
