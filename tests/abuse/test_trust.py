"""What the cluster must know of us is spoilt while we run; it heals without a restart, and readiness tells."""

from __future__ import annotations

import asyncio
import base64
import ssl
import time
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from tests.e2e.test_objects import MUTATOR, Configuration
from tests.support.cluster_client import ConfigMap, pod
from tests.support.credentials import GARBAGE, SECRETS, spoil
from tests.support.installed import eventually

from devcluster.settings import RELEASE_MANIFEST
from kubemacpool.certs import issue
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving, service_names
from kubemacpool.provision import SERVICES

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

VALID: Final = "kubemacpool_ca_bundle_valid"

ROLE: Final = "/apis/rbac.authorization.k8s.io/v1/namespaces/kubemacpool-system/roles/kubemacpool-manager-role"


class Role(msgspec.Struct):
    """What may be done."""

    rules: list[dict[str, list[str]]]


pytestmark = pytest.mark.usefixtures("survivors", "trusted_again")


NAMES: Final = ServerNames(
    (*service_names(SERVICES, "kubemacpool-system"), "replica.kubemacpool-service.kubemacpool-system.svc")
)
ISSUED: Final = {"both are from the future": timedelta(days=30), "both have expired": timedelta(days=-400)}
"""By a machine whose clock was wrong by so much."""


async def put(cluster: ClusterClient, secret: str, pair: KeyPair) -> None:
    """Have a Secret hold this pair."""
    data = {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem}
    encoded = {key: base64.b64encode(value).decode() for key, value in data.items()}
    await cluster.patch(f"{SECRETS}/{secret}", {"data": encoded})


async def bundles_of(cluster: ClusterClient) -> list[str]:
    """The caBundle of every webhook, as it is stored."""
    return [webhook.client_config.ca_bundle for webhook in (await cluster.get(MUTATOR, Configuration)).webhooks]


def served_under(bundle: str) -> bytes:
    """The present authority, which a caBundle names first."""
    end = b"-----END CERTIFICATE-----\n"
    return base64.b64decode(bundle).partition(end)[0] + end


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
        ("the serving certificate is of a stranger", True),
        ("both are from the future", False),
        ("both have expired", False),
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
    old = served_under(before)
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
        await put(cluster, "kubemacpool-service", issue_serving(authority, NAMES, datetime.now(UTC)))
    elif how == "the serving certificate is of a stranger":
        await put(
            cluster, "kubemacpool-service", issue_serving(issue_authority(datetime.now(UTC)), NAMES, datetime.now(UTC))
        )
    elif how in ISSUED:
        authority = issue_authority(datetime.now(UTC) + ISSUED[how], timedelta(days=365))
        await put(cluster, "kubemacpool-ca", authority)
        await put(cluster, "kubemacpool-service", issue_serving(authority, NAMES, datetime.now(UTC) + ISSUED[how]))
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


async def test_what_cannot_be_written_is_named_while_the_replicas_serve_on(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """A Secret that somebody has made immutable; to be deleted, and then it is issued anew."""
    ends = installed.log_ends()
    await spoil(cluster, "the serving certificate is garbage")
    await cluster.patch(f"{SECRETS}/kubemacpool-service", {"immutable": True} | GARBAGE)

    async def named() -> bool:
        said = await installed.readiness()
        return all(text.startswith("200 ok\ncertificates cannot be renewed: PATCH") for text in said)

    await eventually(named, "every replica is ready, and says what cannot be renewed")
    (line, *_) = installed.log(ends, event="a certificate cannot be renewed, trying again")
    assert "field is immutable" in str(line["error"])
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    await spoil(cluster, "the serving certificate is deleted")
    await served(cluster, namespace, installed)


async def test_rights_that_are_missing_are_named_long_before_they_are_needed(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """The same writes are tried as dry runs, each hour, and when somebody has changed a Secret."""
    role = (await cluster.request("GET", ROLE)).body
    rules = msgspec.json.decode(role, type=Role).rules
    fewer = [rule | {"verbs": ["get", "list", "watch"]} if "secrets" in rule["resources"] else rule for rule in rules]
    await cluster.patch(ROLE, {"rules": fewer})

    async def named() -> bool:
        await cluster.patch(f"{SECRETS}/kubemacpool-ca", {"metadata": {"labels": {"looked-at": f"{time.monotonic()}"}}})
        said = await installed.readiness()
        return all(text.startswith("200 ok\ncertificates cannot be renewed: PATCH") for text in said)

    await eventually(named, "every replica is ready, and says what will be missing", every=0.5)
    assert all("forbidden" in text for text in await installed.readiness())
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    await cluster.patch(ROLE, {"rules": rules})
    await cluster.patch(f"{SECRETS}/kubemacpool-ca", {"metadata": {"labels": {"looked-at": None}}})
    await served(cluster, namespace, installed)


async def test_a_secret_that_cert_manager_keeps_is_not_overwritten_and_is_named(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    stranger = issue_serving(issue_authority(datetime.now(UTC)), NAMES, datetime.now(UTC))
    kept = {"metadata": {"annotations": {"cert-manager.io/certificate-name": "theirs"}}}
    await cluster.patch(f"{SECRETS}/kubemacpool-service", kept)
    await put(cluster, "kubemacpool-service", stranger)

    async def named() -> bool:
        said = await installed.readiness()
        return all("what cert-manager keeps for Certificate theirs, so it is not written" in text for text in said)

    await eventually(named, "every replica says whose it is")
    stored = (await cluster.get(f"{SECRETS}/kubemacpool-service", ConfigMap)).data["tls.crt"]
    assert base64.b64decode(stored) == stranger.certificate_pem
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    await cluster.patch(
        f"{SECRETS}/kubemacpool-service", {"metadata": {"annotations": {"cert-manager.io/certificate-name": None}}}
    )
    await served(cluster, namespace, installed)
