"""Who may read the metrics, and look inside a replica."""

from __future__ import annotations

import asyncio
import json
import signal
import ssl
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import pytest
import yaml
from tests.support.cluster_client import CONFIG_MAPS, ConfigMap, pod
from tests.support.installed import eventually, process_of

from devcluster.pki import Authority
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

METRICS: Final = "/metrics"
DEBUG: Final = ("/debug/ledger", "/debug/log-level", "/debug/profile/cpu?seconds=1", "/debug/profile/memory?seconds=1")
MONITORING: Final = RELEASE_MANIFEST.with_name("kubemacpool-monitoring.yaml")
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"


async def _token(cluster: ClusterClient, installed: Installed, namespace: str, *roles: str) -> dict[str, str]:
    """The header of a new ServiceAccount to which these ClusterRoles are bound."""
    name = f"reader-{len(roles)}"
    await cluster.done("POST", f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": name}})
    for role in roles:
        binding = {
            "metadata": {"name": f"{namespace}-{role}"},
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": role},
            "subjects": [{"kind": "ServiceAccount", "namespace": namespace, "name": name}],
        }
        await cluster.done("POST", f"{RBAC}/clusterrolebindings", binding)
    token = await asyncio.to_thread(installed.control_plane.service_account_token, namespace, name)
    return {"Authorization": f"Bearer {token}"}


async def _may(installed: Installed, path: str, headers: dict[str, str]) -> tuple[int, str]:
    """What the first replica answers."""
    status, text, _ = await installed.ask(f"{installed.replicas[0].metrics_url}{path}", headers=headers)
    return status, text


@pytest.mark.parametrize("path", [METRICS, *DEBUG])
@pytest.mark.parametrize("header", ["", "Bearer made-up", "Basic YTpi"], ids=["nobody", "a made-up token", "basic"])
async def test_strangers_are_told_to_say_who_they_are(installed: Installed, path: str, header: str) -> None:
    headers = {"Authorization": header} if header else {}
    status, text, answered = await installed.ask(f"{installed.replicas[0].metrics_url}{path}", headers=headers)
    assert (status, answered["WWW-Authenticate"]) == (401, "Bearer")
    assert "bearer token" in text


async def test_a_scraper_needs_the_cluster_role_that_is_shipped_and_may_do_nothing_else(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    without = await _token(cluster, installed, namespace)
    status, text = await _may(installed, METRICS, without)
    assert status == 403
    assert f'user "system:serviceaccount:{namespace}:reader-0" may not get /metrics' in text
    assert "ClusterRole kubemacpool-metrics-reader" in text
    having = await _token(cluster, installed, namespace, "kubemacpool-metrics-reader")
    status, text = await _may(installed, METRICS, having)
    assert (status, "kubemacpool_leader" in text) == (200, True)
    for path in DEBUG:
        status, text = await _may(installed, path, having)
        assert (status, "ClusterRole kubemacpool-debug-reader" in text) == (403, True)


async def test_support_finds_out_who_has_an_address(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    headers = await _token(cluster, installed, namespace, "kubemacpool-debug-reader")
    await cluster.made(namespace, pod("holder", f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two"}}]'))
    told: dict[str, Any] = {}

    async def settled() -> bool:
        status, text = await _may(installed, f"/debug/ledger?mac={block[0].upper().replace(':', '-')}", headers)
        assert status == 200, text
        told.update(json.loads(text))
        return bool(told["addresses"][0]["holders"])

    await eventually(settled, "the first replica has observed the pod")
    (address,) = told["addresses"]
    (found,) = address["holders"]
    assert (address["mac"], address["inPool"], address["inFlight"]) == (block[0], True, [])
    assert (found["kind"], found["namespace"], found["name"]) == ("Pod", namespace, "holder")
    status, text = await _may(installed, "/debug/ledger?limit=1", headers)
    everything = json.loads(text)
    assert (status, len(everything["addresses"]), everything["more"]) == (200, 1, True)
    assert everything["pool"]["ranges"] == "02:00:00:00:00:00-fd:ff:ff:ff:ff:ff"


async def test_a_profile_is_taken_while_a_replica_serves(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    headers = await _token(cluster, installed, namespace, "kubemacpool-debug-reader")
    profile = asyncio.create_task(_may(installed, "/debug/profile/cpu?seconds=1&format=speedscope", headers))
    await asyncio.sleep(0.3)
    assert (await _may(installed, "/debug/profile/memory?seconds=1", headers))[0] == 409
    await cluster.made(namespace, pod("beside"))
    status, text = await profile
    assert status == 200
    assert json.loads(text)["profiles"]
    status, text = await _may(installed, "/debug/profile/memory?seconds=1", headers)
    assert (status, "objects that the collector follows" in text) == (200, True)


@pytest.fixture
async def at_debug_again(installed: Installed) -> AsyncIterator[None]:
    """Whatever the level was changed to, it is as the others' tests need it afterwards."""
    yield
    for replica in installed.replicas:
        url = f"{replica.metrics_url}/debug/log-level"
        if "debug" not in (await installed.ask(url, headers=installed.scraper.headers))[1]:
            process_of(replica).send(signal.SIGUSR1)


@pytest.mark.usefixtures("at_debug_again")
async def test_the_level_of_the_log_changes_while_replicas_serve(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    since = installed.log_ends()
    for replica in installed.replicas:
        process_of(replica).send(signal.SIGUSR1)
    await installed.logged(since, event="log level changed", before="debug", now="info")
    await cluster.made(namespace, pod("a"))
    headers = await _token(cluster, installed, namespace, "kubemacpool-debug-reader")
    for replica in installed.replicas:
        url = f"{replica.metrics_url}/debug/log-level"
        assert (await installed.ask(f"{url}?level=loud", headers=headers, method="PUT"))[:2] == (
            400,
            "level: there is no level 'loud', only debug, info, warning, error; ask for /debug/log-level?level=debug\n",
        )
        assert (await installed.ask(f"{url}?level=debug", headers=headers, method="PUT"))[:2] == (200, "debug\n")
    await cluster.made(namespace, pod("b"))
    assert installed.log(since, object=f"Pod {namespace}/a") == []
    assert [line["event"] for line in installed.log(since, object=f"Pod {namespace}/b")] == ["allocated"]


async def test_a_certificate_is_for_the_metrics_alone_and_only_of_the_given_authority(
    installed: Installed, tmp_path: Path
) -> None:
    """The development cluster gives replicas the authority of its own clients."""
    base = installed.replicas[0].metrics_url
    administrator = _pair(installed.control_plane.layout.pki, "admin")
    status, text, _ = await installed.ask(f"{base}{METRICS}", identity=administrator)
    assert (status, "kubemacpool_leader" in text) == (200, True)
    for path in DEBUG:
        status, *_ = await installed.ask(f"{base}{path}", identity=administrator)
        assert status == 401
    Authority(tmp_path).client("stranger", "stranger", ("system:masters",))
    with pytest.raises((aiohttp.ClientError, OSError)):
        await installed.ask(f"{base}{METRICS}", identity=_pair(tmp_path, "stranger"))


def _pair(directory: Path, name: str) -> tuple[bytes, bytes]:
    return (directory / f"{name}.crt").read_bytes(), (directory / f"{name}.key").read_bytes()


async def test_the_metrics_are_on_no_other_port(installed: Installed) -> None:
    for replica in installed.replicas:
        for base in (replica.webhook_url, replica.health_url):
            for path in (METRICS, "/debug/ledger"):
                status, text, _ = await installed.ask(f"{base}{path}", headers=installed.scraper.headers)
                assert (status, "kubemacpool_leader" in text) == (404, False)


async def test_prometheus_trusts_what_the_replicas_publish_for_it(cluster: ClusterClient, installed: Installed) -> None:
    """As the ServiceMonitor says: by a ConfigMap without any key, which stays right whatever others write to it."""
    monitor, *_ = yaml.safe_load_all(MONITORING.read_text(encoding="utf-8"))
    (endpoint,) = monitor["spec"]["endpoints"]
    reference = endpoint["tlsConfig"]["ca"]["configMap"]
    path = f"{CONFIG_MAPS}/{reference['name']}"
    published = (await cluster.get(path, ConfigMap)).data
    assert set(published) == {reference["key"]}
    trust = ssl.create_default_context(cadata=published[reference["key"]])
    forward = installed.forward("kubemacpool-metrics-service")
    async with (
        aiohttp.ClientSession() as session,
        session.get(
            f"{endpoint['scheme']}://{forward.address}:{forward.port}{METRICS}",
            ssl=trust,
            server_hostname=endpoint["tlsConfig"]["serverName"],
            headers=installed.scraper.headers,
        ) as answer,
    ):
        assert answer.status == 200

    async def is_back() -> bool:
        return (await cluster.get(path, ConfigMap)).data == published

    await cluster.patch(path, {"data": {reference["key"]: "garbage"}})
    await eventually(is_back, "what somebody wrote there is undone")
