"""What the cluster must know of us is spoilt while we run; it heals without a restart, and readiness tells."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.e2e.test_objects import MUTATOR, Configuration
from tests.support.cluster_client import ConfigMap, pod
from tests.support.credentials import SECRETS, spoil
from tests.support.installed import eventually

from devcluster.settings import RELEASE_MANIFEST
from kubemacpool.certs import issue
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving, service_names
from kubemacpool.trust import SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

VALID: Final = "kubemacpool_ca_bundle_valid"

pytestmark = pytest.mark.usefixtures("survivors", "trusted_again")


async def bundles_of(cluster: ClusterClient) -> list[str]:
    """The caBundle of every webhook, as it is stored."""
    return [webhook.client_config.ca_bundle for webhook in (await cluster.get(MUTATOR, Configuration)).webhooks]


async def set_bundles(cluster: ClusterClient, bundle: str) -> None:
    """Give every webhook this caBundle."""
    patch = [
        {"op": "add", "path": f"/webhooks/{index}/clientConfig/caBundle", "value": bundle}
        for index in range(len(await bundles_of(cluster)))
    ]
    await cluster.done("PATCH", MUTATOR, patch, content_type="application/json-patch+json")


async def ready(installed: Installed) -> None:
    """Wait until every replica says ready, and its figures agree."""

    async def all_say_so() -> bool:
        figures = [await installed.figures(replica) for replica in installed.replicas]
        return await installed.readiness() == {"200 ok"} and all(shown.get(VALID) == 1 for shown in figures)

    await eventually(all_say_so, "every replica is ready")


async def served(cluster: ClusterClient, namespace: str, installed: Installed) -> None:
    """Wait until every replica is ready, and make a pod with networks."""
    await ready(installed)
    await asyncio.to_thread(installed.wait_ready)
    assert (await cluster.made(namespace, pod("served"))).mac


@pytest.fixture
async def trusted_again(installed: Installed) -> AsyncIterator[None]:
    """Whatever the test has spoilt, the next one finds it whole."""
    yield
    await ready(installed)
    await asyncio.to_thread(installed.wait_ready)


async def test_a_webhook_configuration_that_is_deleted_and_applied_again_is_trusted_at_once(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """The way to take us out and back in that the README gives; while it is out, readiness names what is missing."""
    before = await bundles_of(cluster)
    await cluster.done("DELETE", MUTATOR)

    async def missed() -> bool:
        figures = [await installed.figures(replica) for replica in installed.replicas]
        said = await installed.readiness()
        return all("kubemacpool-mutator does not exist" in text for text in said) and all(
            shown.get(VALID) == 0 for shown in figures
        )

    await eventually(missed, "readiness tells that nobody asks us")
    assert (await cluster.made(namespace, pod("meanwhile", "[]"))).created
    applied = await asyncio.to_thread(installed.control_plane.kubectl, "apply", "-f", str(RELEASE_MANIFEST))
    assert "kubemacpool-mutator created" in applied.stdout

    async def mended() -> bool:
        return await bundles_of(cluster) == before

    await eventually(mended, "the caBundle is there again")
    await served(cluster, namespace, installed)


async def test_an_emptied_ca_bundle_is_filled_again_in_every_webhook(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    before = await bundles_of(cluster)
    await set_bundles(cluster, "")

    async def mended() -> bool:
        return await bundles_of(cluster) == before

    await eventually(mended, "the caBundle is there again")
    await served(cluster, namespace, installed)


@pytest.mark.parametrize("how", ["instead of ours", "beside ours"])
async def test_a_foreign_authority_is_taken_out_of_the_ca_bundle(
    cluster: ClusterClient, installed: Installed, namespace: str, how: str
) -> None:
    """It bears our authority's name: only what is in the Secret is ours."""
    before = await bundles_of(cluster)
    foreign = issue_authority(datetime.now(UTC)).certificate_pem
    ours = base64.b64decode(before[0]) if how == "beside ours" else b""
    await set_bundles(cluster, base64.b64encode(ours + foreign).decode())

    async def mended() -> bool:
        return await bundles_of(cluster) == before

    await eventually(mended, "nobody but us is trusted")
    await served(cluster, namespace, installed)


@pytest.mark.parametrize(
    ("how", "authority_stays"),
    [
        ("both Secrets are deleted", False),
        ("the serving certificate is deleted", True),
        ("the authority is garbage", False),
        ("the serving certificate is garbage", True),
        ("the serving certificate is of an early version", True),
    ],
)
async def test_spoilt_secrets_heal_while_creates_go_on(
    cluster: ClusterClient,
    installed: Installed,
    namespace: str,
    monkeypatch: pytest.MonkeyPatch,
    how: str,
    *,
    authority_stays: bool,
) -> None:
    """An authority that replicas serve under stays trusted meanwhile, so that no create fails."""
    (before,) = set(await bundles_of(cluster))
    old = base64.b64decode(before)
    spoilt = asyncio.Event()

    async def create_on() -> int:
        number = 0
        while not spoilt.is_set():
            number += 1
            await cluster.made(namespace, pod(f"goes-on-{number}"))
            await asyncio.sleep(0.02)
        return number

    creates = asyncio.create_task(create_on())
    ends = installed.log_ends()
    if how == "the serving certificate is of an early version":  # by which no replica can prove itself to another
        monkeypatch.setattr(issue, "USAGES", (ExtendedKeyUsageOID.SERVER_AUTH,))
        data = (await cluster.get(f"{SECRETS}/kubemacpool-ca", ConfigMap)).data
        authority = KeyPair(base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"]))
        names = ServerNames(service_names(SERVICES, "kubemacpool-system"))
        early = issue_serving(authority, names, datetime.now(UTC))
        pair = {"tls.crt": early.certificate_pem, "tls.key": early.key_pem}
        encoded = {key: base64.b64encode(value).decode() for key, value in pair.items()}
        await cluster.patch(f"{SECRETS}/kubemacpool-service", {"data": encoded})
    else:
        await spoil(cluster, how)

    await installed.logged(ends, event="a new certificate is served")
    spoilt.set()
    assert await creates > 1
    (after,) = set(await bundles_of(cluster))
    assert (after == before) is authority_stays
    assert old in base64.b64decode(after)
    stored = (await cluster.get(f"{SECRETS}/kubemacpool-service", ConfigMap)).data["tls.crt"]
    for replica in installed.replicas:
        host, port = replica.webhook_url.removeprefix("https://").split(":")
        shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
        assert ssl.PEM_cert_to_DER_cert(shown) == ssl.PEM_cert_to_DER_cert(base64.b64decode(stored).decode())
    await served(cluster, namespace, installed)
    assert "PRIVATE KEY" not in str(installed.log())


async def test_somebody_who_empties_the_ca_bundle_all_the_time_is_not_fought_without_end(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """A GitOps tool that holds the caBundle to be empty: mending becomes rarer, and readiness says what is going on."""
    mended: list[bool] = []
    told: set[str] = set()
    async with asyncio.timeout(60):
        while len(mended) < 200 or not any("somebody else has undone it" in text for text in told):
            mended.append(any(await bundles_of(cluster)))
            await set_bundles(cluster, "")
            told |= await installed.readiness()
    assert any(mended[:20])
    assert sum(mended[100:]) < len(mended[100:]) / 4
    await served(cluster, namespace, installed)
