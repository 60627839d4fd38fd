"""What is written: Secrets, the caBundle, Events, on the real API server."""

import asyncio
import json
from collections.abc import Callable
from datetime import UTC, datetime

import msgspec
import pytest
from tests.contract.objects import config_map, create, delete
from tests.unit.doubles import KeptMeasures

from devcluster.controlplane import ControlPlane
from kubemacpool.certs.contexts import server_context
from kubemacpool.certs.issue import ServerNames, service_names
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET, Bootstrap
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.events import EventRecorder
from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.writes import ClusterSecrets, WebhookConfiguration
from kubemacpool.ports import ConflictError, NotFoundError, Regarding

PEM = {"tls.crt": b"-----BEGIN CERTIFICATE-----", "tls.key": b"-----BEGIN PRIVATE KEY-----"}
WEBHOOKS = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"


async def test_a_secret_is_created_read_and_changed_only_as_it_was_read(api: ApiClient, namespace: str) -> None:
    secrets = ClusterSecrets(api, namespace)
    with pytest.raises(NotFoundError, match='secrets "s" not found'):
        await secrets.read("s")
    created = await secrets.create("s", PEM)
    assert await secrets.read("s") == created
    assert created.data == PEM
    with pytest.raises(ConflictError, match="already exists"):
        await secrets.create("s", PEM)
    updated = await secrets.update("s", {"tls.key": b"\x00\xff"}, created.resource_version)
    assert updated.data == {**PEM, "tls.key": b"\x00\xff"}
    with pytest.raises(ConflictError, match="the object has been modified"):
        await secrets.update("s", PEM, created.resource_version)
    with pytest.raises(NotFoundError):
        await secrets.update("other", PEM, "1")


async def test_changing_a_secret_keeps_what_others_have_put_there(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    secrets = ClusterSecrets(api, namespace)
    created = await secrets.create("s", PEM)
    control_plane.kubectl("-n", namespace, "label", "secret", "s", "team=network")
    with pytest.raises(ConflictError):
        await secrets.update("s", PEM, created.resource_version)
    await secrets.update("s", {"tls.crt": b"new"}, (await secrets.read("s")).resource_version)
    stored = json.loads(await api.get(f"/api/v1/namespaces/{namespace}/secrets/s"))
    assert stored["metadata"]["labels"] == {"team": "network"}
    assert stored["type"] == "kubernetes.io/tls"


async def test_the_authority_is_written_into_the_webhooks_that_are_named(
    api: ApiClient, control_plane: ControlPlane, namespace: str, authority_pem: bytes
) -> None:
    trust = WebhookConfiguration(api, namespace)
    with pytest.raises(NotFoundError):
        await trust.read()
    control_plane.api.request("POST", WEBHOOKS, _webhooks(namespace))
    found = await trust.read()
    assert {bundle.content for bundle in found.bundles} == {b""}
    await trust.write(found, range(len(found.bundles)), authority_pem)
    written = await trust.read()
    assert {bundle.content for bundle in written.bundles} == {authority_pem}
    emptied = json.dumps([{"op": "remove", "path": "/webhooks/1/clientConfig/caBundle"}])
    control_plane.kubectl("patch", "mutatingwebhookconfiguration", namespace, "--type=json", "-p", emptied)
    found = await trust.read()
    assert [bundle.content for bundle in found.bundles][1] == b""
    await trust.write(found, (1,), authority_pem)
    assert (await trust.read()).bundles == written.bundles


async def test_a_change_between_reading_and_writing_is_a_conflict_and_is_kept(
    api: ApiClient, control_plane: ControlPlane, namespace: str, authority_pem: bytes
) -> None:
    control_plane.api.request("POST", WEBHOOKS, _webhooks(namespace))
    trust = WebhookConfiguration(api, namespace)
    found = await trust.read()
    control_plane.kubectl("label", "mutatingwebhookconfiguration", namespace, "team=network")
    with pytest.raises(ConflictError):
        await trust.write(found, (0,), authority_pem)
    await trust.write(await trust.read(), (0,), authority_pem)
    stored = json.loads(await api.get(f"{WEBHOOKS}/{namespace}"))
    assert stored["metadata"]["labels"] == {"team": "network"}


async def test_replicas_that_start_together_end_up_with_the_same_certificates(
    admin: ClusterConfig, connect: Callable[[ClusterConfig], ApiClient], control_plane: ControlPlane, namespace: str
) -> None:
    names = ServerNames(service_names(["kubemacpool-service"], "kubemacpool-system"))

    async def establish() -> tuple[bytes, bytes]:
        async with connect(admin) as client:
            credentials = await Bootstrap(ClusterSecrets(client, namespace), names).ensure_certificates()
        server_context(credentials.serving.certificate_pem, credentials.serving.key_pem)
        return credentials.authorities.current, credentials.serving.certificate_pem

    first, *others = await asyncio.gather(*(establish() for _ in range(4)))
    assert all(other == first for other in others)
    assert await establish() == first
    garbage = json.dumps({"data": {"tls.crt": "Z2FyYmFnZQ=="}})
    for secret in (AUTHORITY_SECRET, SERVING_SECRET):
        control_plane.kubectl("-n", namespace, "patch", "secret", secret, "--type=merge", "-p", garbage)
    healed = await establish()
    assert healed[0] != first[0]
    assert healed[1] != first[1]
    delete(control_plane, namespace, "secrets", SERVING_SECRET)
    assert (await establish())[0] == healed[0]


async def test_an_event_is_shown_with_its_object_and_repeats_are_counted(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "configmaps", config_map("range"))
    uid = json.loads(await api.get(f"/api/v1/namespaces/{namespace}/configmaps/range"))["metadata"]["uid"]
    now = 0.0
    recorder = EventRecorder(
        api, KeptMeasures(), now=lambda: now, timestamp=lambda: datetime(2026, 11, 24, 3, 0, tzinfo=UTC)
    )
    regarding = Regarding("v1", "ConfigMap", namespace, "range", uid)
    recorder.warn(regarding, "InvalidRange", "RANGE_START lies behind RANGE_END")
    await recorder.write_due()
    for _ in range(4):
        recorder.warn(regarding, "InvalidRange", "RANGE_START lies behind RANGE_END")
    await recorder.write_due()
    assert [event["count"] for event in _events(control_plane, namespace)] == [1]
    now = 61.0
    await recorder.write_due()
    (event,) = _events(control_plane, namespace)
    assert (event["count"], event["type"], event["reason"]) == (5, "Warning", "InvalidRange")
    assert event["message"] == "RANGE_START lies behind RANGE_END"
    assert event["source"] == {"component": "kubemacpool"}
    described = control_plane.kubectl("-n", namespace, "describe", "configmap", "range").stdout
    assert "InvalidRange" in described
    assert "RANGE_START lies behind RANGE_END" in described
    listed = control_plane.kubectl("-n", namespace, "get", "events").stdout
    assert "configmap/range" in listed


async def test_an_event_that_was_deleted_meanwhile_is_written_anew(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    now = 0.0
    recorder = EventRecorder(api, KeptMeasures(), now=lambda: now)
    regarding = Regarding("v1", "ConfigMap", namespace, "range", "")
    recorder.warn(regarding, "InvalidRange", "wrong")
    await recorder.write_due()
    control_plane.kubectl("-n", namespace, "delete", "events", "--all")
    recorder.warn(regarding, "InvalidRange", "wrong")
    now = 61.0
    await recorder.write_due()
    assert len(_events(control_plane, namespace)) == 1


async def test_events_are_posted_as_they_come_and_long_messages_are_cut(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    recorder = EventRecorder(api, KeptMeasures())
    running = asyncio.create_task(recorder.run())
    recorder.warn(
        Regarding("v1", "ConfigMap", "no-such-namespace", "range", ""), "InvalidRange", "nobody will see this"
    )
    recorder.warn(Regarding("v1", "ConfigMap", namespace, "range", ""), "InvalidRange", "ä" * 2000)
    async with asyncio.timeout(10):
        while not (events := _events(control_plane, namespace)):  # noqa: ASYNC110 - the API server tells nobody
            await asyncio.sleep(0.05)
    assert not running.done()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    (message,) = [str(event["message"]) for event in events]
    assert 1020 < len(message.encode()) <= 1024
    assert message.endswith("ä…")


async def test_an_event_about_an_object_without_a_namespace_is_kept_in_default(
    api: ApiClient, control_plane: ControlPlane
) -> None:
    recorder = EventRecorder(api, KeptMeasures())
    recorder.warn(Regarding("v1", "Node", "", "node-of-the-contract", ""), "MACCollision", "a collision")
    await recorder.write_due()
    kept = [event["involvedObject"] for event in _events(control_plane, "default")]
    assert {"apiVersion": "v1", "kind": "Node", "name": "node-of-the-contract"} in kept


def _events(control_plane: ControlPlane, namespace: str) -> list[dict[str, object]]:
    answer = control_plane.api.request("GET", f"/api/v1/namespaces/{namespace}/events")
    items: list[dict[str, object]] = msgspec.json.decode(answer)["items"]
    return items


def _webhooks(name: str) -> dict[str, object]:
    """Two webhooks for a kind that does not exist."""
    webhook = {
        "admissionReviewVersions": ["v1"],
        "sideEffects": "None",
        "failurePolicy": "Ignore",
        "clientConfig": {"service": {"namespace": "default", "name": "none", "path": "/"}},
        "rules": [
            {"apiGroups": ["none.example.com"], "apiVersions": ["v1"], "operations": ["*"], "resources": ["none"]}
        ],
    }
    return {
        "apiVersion": "admissionregistration.k8s.io/v1",
        "kind": "MutatingWebhookConfiguration",
        "metadata": {"name": name},
        "webhooks": [{**webhook, "name": f"{number}.{name}.example.com"} for number in ("one", "two")],
    }
