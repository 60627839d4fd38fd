"""A sync applies the manifest word for word and runs its replicas as the ServiceAccount, behind the Service."""

from __future__ import annotations

import base64
import http.client
import json
import signal
import ssl
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tests.cluster import standin
from tests.cluster.test_controlplane import eventually

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.deployment import DEPLOYMENT, NAMESPACE
from devcluster.errors import CommandError, ProcessError, SettingError
from devcluster.pki import Authority
from devcluster.processes import ProcessId
from devcluster.sync import SUPERVISOR, Installation

if TYPE_CHECKING:
    from collections.abc import Iterator

    from devcluster.installation import ReplicaStatus

LABELS = {"app": "kubemacpool"}


def manifest(directory: Path, strategy: str, replicas: int) -> Path:
    """Write a manifest like the release's, with the stand-in for the program."""
    Authority(directory).server("standin", [f"kubemacpool-service.{NAMESPACE}.svc"])
    container = {
        "name": "manager",
        "image": "example",
        "command": [sys.executable, standin.__file__],
        "args": ["--name=$(POD_NAME)"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
            {"name": "CERTIFICATE", "value": str(directory / "standin.crt")},
            {"name": "KEY", "value": str(directory / "standin.key")},
            {"name": "MODE", "value": "ok"},
        ],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": 8000, "scheme": "HTTPS"}},
    }
    pod = {
        "serviceAccountName": "kubemacpool-sa",
        "terminationGracePeriodSeconds": 5,
        "containers": [container],
    }
    objects = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}},
        {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "kubemacpool-sa", "namespace": NAMESPACE}},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kubemacpool-service", "namespace": NAMESPACE},
            "spec": {"selector": LABELS, "ports": [{"port": 443, "targetPort": 8000}]},
        },
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": DEPLOYMENT, "namespace": NAMESPACE},
            "spec": {
                "replicas": replicas,
                "strategy": {"type": strategy},
                "selector": {"matchLabels": LABELS},
                "template": {"metadata": {"labels": LABELS}, "spec": pod},
            },
        },
    ]
    path = directory / f"{strategy}-{replicas}.json"
    path.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))
    return path


@pytest.fixture(scope="module")
def rolling(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return manifest(tmp_path_factory.mktemp("manifest"), "RollingUpdate", 2)


@pytest.fixture(scope="module")
def recreating(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return manifest(tmp_path_factory.mktemp("manifest"), "Recreate", 1)


@pytest.fixture(scope="module")
def installation(control_plane: ControlPlane) -> Installation:
    return Installation(control_plane)


def ask(control_plane: ControlPlane) -> str:
    """Ask the Service for the name of the replica that answers, on a connection of its own."""
    address = control_plane.kubectl(
        "get", "service", "kubemacpool-service", "-n", NAMESPACE, "-o", "jsonpath={.spec.clusterIP}"
    ).stdout
    return ask_at(address)


def ask_at(address: str) -> str:
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    connection = http.client.HTTPSConnection(address, 443, timeout=5, context=context)
    try:
        connection.request("GET", "/")
        return connection.getresponse().read().decode()
    finally:
        connection.close()


def test_the_service_reaches_every_replica(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    status = installation.sync(manifest=rolling)

    assert [replica.state for replica in status.replicas] == ["ready", "ready"]
    assert {ask(control_plane) for _ in range(20)} == {replica.name for replica in status.replicas}


def webhook(ca: bytes) -> str:
    """Return a webhook configuration that refers to the Service, for ConfigMaps named `asked`."""
    return json.dumps(
        {
            "apiVersion": "admissionregistration.k8s.io/v1",
            "kind": "ValidatingWebhookConfiguration",
            "metadata": {"name": "standin"},
            "webhooks": [
                {
                    "name": "standin.kubemacpool.io",
                    "admissionReviewVersions": ["v1"],
                    "sideEffects": "None",
                    "clientConfig": {
                        "caBundle": base64.b64encode(ca).decode(),
                        "service": {"name": "kubemacpool-service", "namespace": NAMESPACE},
                    },
                    "matchConditions": [{"name": "asked", "expression": "request.name == 'asked'"}],
                    "rules": [
                        {"apiGroups": [""], "apiVersions": ["v1"], "operations": ["*"], "resources": ["configmaps"]}
                    ],
                }
            ],
        }
    )


def ask_through_the_api_server(control_plane: ControlPlane, ca: Path) -> str:
    """Make the API server call the webhook, and return what the client is told."""
    control_plane.kubectl("apply", "-f", "-", stdin=webhook(ca.read_bytes()))

    def answer() -> str:
        return control_plane.kubectl("create", "configmap", "asked", "--dry-run=server", check=False).stderr

    # A new webhook configuration takes a moment to reach the API server's admission.
    assert eventually(lambda: bool(answer()))
    return answer()


def test_the_api_server_reaches_a_webhook_through_the_service(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    names = {replica.name for replica in installation.sync(manifest=rolling).replicas}
    told = ask_through_the_api_server(control_plane, rolling.with_name("ca.crt"))

    assert any(f"denied the request: refused by {name}" in told for name in names)


def test_without_a_privileged_port_the_api_server_has_a_proxy(tmp_path: Path, recreating: Path) -> None:
    """What a user who is not root has: nobody listens on the cluster IP, and the webhook is called all the same."""
    spec = ControlPlaneSpec(tmp_path, controllers=False, ends_with_caller=True, egress=True)
    with ControlPlane(spec) as control_plane:
        installation = Installation(control_plane)
        name = installation.sync(manifest=recreating).replicas[0].name
        ca = recreating.with_name("ca.crt")
        assert f"denied the request: refused by {name}" in ask_through_the_api_server(control_plane, ca)
        with pytest.raises(ConnectionRefusedError):
            ask(control_plane)
        installation.sync(manifest=recreating, environment={"MODE": "ok"})
        told = ask_through_the_api_server(control_plane, ca)
        assert "denied the request: refused by replica-2-" in told


def test_a_replica_lives_on_the_service_accounts_token(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    status = installation.sync(manifest=rolling, arguments=["--log-level=debug"])
    name = status.replicas[0].name
    words = Path(status.replicas[0].log).read_text().rstrip()
    kubeconfig = words.rpartition(" ")[2]

    assert words == f"{name} in {NAMESPACE} with ['--name={name}', '--log-level=debug'] and {kubeconfig}"
    who = control_plane.kubectl("auth", "whoami", f"--kubeconfig={kubeconfig}", "-o", "jsonpath={.status.userInfo}")
    assert json.loads(who.stdout)["username"] == f"system:serviceaccount:{NAMESPACE}:kubemacpool-sa"


def test_a_killed_replica_leaves_the_service_and_comes_back(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    status = installation.sync(manifest=rolling)
    first = status.replicas[0]
    assert first.pid is not None
    process = ProcessId.of(first.pid)
    assert process is not None
    process.send(signal.SIGKILL)

    assert eventually(lambda: any(item.restarts for item in status_of(installation)), 5)
    after = installation.wait_ready().replicas[0]
    assert (after.name, after.restarts, after.last_exit) == (first.name, 1, "was killed by SIGKILL")
    assert eventually(lambda: ask(control_plane) == first.name)


def status_of(installation: Installation) -> Iterator[ReplicaStatus]:
    status = installation.status()
    yield from [] if status is None else status.replicas


def test_a_rolling_upgrade_always_leaves_somebody_who_answers(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    """A connection that is refused, or cut before its answer, would be a failed pod creation."""
    before = {replica.name for replica in installation.sync(manifest=rolling).replicas}
    address = json.loads(
        control_plane.kubectl("get", "service", "kubemacpool-service", "-n", NAMESPACE, "-o", "json").stdout
    )["spec"]["clusterIP"]
    refused: list[OSError] = []
    done = threading.Event()

    def keep_connecting() -> None:
        while not done.is_set():
            try:
                ask_at(address)
            except ConnectionRefusedError as error:
                refused.append(error)
            except OSError:
                # The stand-in does not drain: a connection that is open when it ends is cut.
                continue
            time.sleep(0.01)

    client = threading.Thread(target=keep_connecting)
    client.start()
    try:
        after = {replica.name for replica in installation.sync(manifest=rolling).replicas}
    finally:
        done.set()
        client.join()

    assert not before & after
    assert refused == []
    assert ask(control_plane) in after


def test_a_failed_upgrade_quotes_the_replica_and_leaves_the_old_ones_at_work(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    before = {replica.name for replica in installation.sync(manifest=rolling).replicas}

    with pytest.raises(ProcessError) as failed:
        installation.sync(manifest=rolling, environment={"MODE": "crash"})
    assert "does not work: it ended with status 1. The last lines of" in str(failed.value)
    assert str(failed.value).endswith("RANGE_END of ConfigMap kubemacpool-mac-range-config is 7, which is no address")
    assert ask(control_plane) in before


def test_a_replica_that_does_not_become_ready_is_named(installation: Installation, rolling: Path) -> None:
    with pytest.raises(ProcessError, match=r"replica-\d+-\d+ does not work: its /readyz on https://127.* does not say"):
        installation.sync(manifest=rolling, environment={"MODE": "unready"}, within=2)


def test_recreate_ends_the_old_replica_first(
    control_plane: ControlPlane, installation: Installation, recreating: Path
) -> None:
    installation.sync(manifest=recreating)
    log = control_plane.layout.daemon(SUPERVISOR).log_file
    logged = len(log.read_text())
    installation.sync(manifest=recreating)
    story = log.read_text()[logged:].splitlines()

    assert [line.partition(" ")[2].partition(" on ")[0] for line in story] == [
        "is told to end",
        "has ended",
        "is started",
    ]


def test_a_killed_supervisor_is_replaced_and_its_replicas_with_it(
    control_plane: ControlPlane, installation: Installation, recreating: Path
) -> None:
    orphan = installation.sync(manifest=recreating).replicas[0]
    supervisor = control_plane.layout.daemon(SUPERVISOR).running()
    assert supervisor is not None
    supervisor.send(signal.SIGKILL)
    supervisor.wait(10)
    assert installation.status() is None

    assert installation.ensure_supervised()
    assert installation.wait_ready().replicas[0].pid != orphan.pid
    assert orphan.pid is not None
    assert ProcessId.of(orphan.pid) is None
    assert not installation.ensure_supervised(), "one supervisor is enough"


def test_a_manifest_that_is_refused_says_why(installation: Installation, tmp_path: Path) -> None:
    (tmp_path / "bad.yaml").write_text("apiVersion: v1\nkind: Nonsense\nmetadata: {name: x}\n")

    with pytest.raises(CommandError, match='no matches for kind "Nonsense"'):
        installation.sync(manifest=tmp_path / "bad.yaml")
    with pytest.raises(SettingError, match="There is no manifest"):
        installation.sync(manifest=tmp_path / "none.yaml")


def test_nothing_of_an_installation_outlives_its_cluster(
    control_plane: ControlPlane, installation: Installation, rolling: Path
) -> None:
    pids = [replica.pid for replica in installation.sync(manifest=rolling).replicas]
    supervisor = control_plane.layout.daemon(SUPERVISOR).running()
    assert supervisor is not None
    control_plane.stop()

    assert not supervisor.alive()
    assert [ProcessId.of(pid) for pid in pids if pid is not None] == [None, None]
    with pytest.raises(ProcessError, match="run `make cluster-sync`"):
        installation.wait_ready()
