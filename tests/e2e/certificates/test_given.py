"""The certificate comes as files, as a mounted Secret has them, and cert-manager writes the caBundle."""

from __future__ import annotations

import asyncio
import base64
import ssl
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import pytest
import yaml
from tests.abuse.test_trust import set_bundles
from tests.e2e.certificates.conftest import webhooks_of
from tests.support.cluster_client import pod
from tests.support.installed import ENVIRONMENT, Installed, eventually, installation
from tests.support.load import Load

from devcluster.settings import RELEASE_MANIFEST
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

    from devcluster.installation import ReplicaStatus

NAMES: Final = ServerNames(["kubemacpool-service.kubemacpool-system.svc"])
OURS: Final = {"CERT_ROTATE_INTERVAL": "12s", "CERT_OVERLAP_INTERVAL": "8s"}
"""What replicas show to each other changes all the time meanwhile, under one authority."""
EXPIRY: Final = "kubemacpool_certificate_expiry_timestamp_seconds{certificate=serving}"
FORWARDED: Final = "kubemacpool_forwarded_reviews_total{{outcome={}}}"


class Issuer:
    """Stands in for cert-manager: its authority, the mounted Secret, and what its cainjector writes."""

    def __init__(self, directory: Path) -> None:
        self.certificate = directory / "tls.crt"
        self.key = directory / "tls.key"
        self.authority = issue_authority(datetime.now(UTC))
        self.given = self.issue()
        self.mount(self.given)

    def issue(self, lifetime: timedelta = timedelta(days=90)) -> KeyPair:
        """A new certificate of the present authority."""
        return issue_serving(self.authority, NAMES, datetime.now(UTC), lifetime)

    def mount(self, pair: KeyPair) -> None:
        """Have the files hold it, one after the other."""
        self.certificate.write_bytes(pair.certificate_pem)
        self.key.write_bytes(pair.key_pem)
        self.given = pair


@pytest.fixture(scope="module")
def issuer(tmp_path_factory: pytest.TempPathFactory) -> Issuer:
    """Has issued a certificate."""
    return Issuer(tmp_path_factory.mktemp("mounted"))


def annotated(manifest: Path, bundle: bytes) -> str:
    """The manifest with the annotation, and with what cainjector has made of it."""
    objects = list(yaml.safe_load_all(manifest.read_text(encoding="utf-8")))
    (configuration,) = [each for each in objects if each["kind"] == "MutatingWebhookConfiguration"]
    configuration["metadata"]["annotations"] = {"cert-manager.io/inject-ca-from": "kubemacpool-system/webhook"}
    for webhook in configuration["webhooks"]:
        webhook["clientConfig"]["caBundle"] = base64.b64encode(bundle).decode()
    return yaml.safe_dump_all(objects, sort_keys=False)


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Installed]:
    """An installation of which all that the API server sees is cert-manager's."""
    directory = tmp_path_factory.mktemp("given")
    manifest = directory / "kubemacpool.yaml"
    manifest.write_text(annotated(RELEASE_MANIFEST, issuer.authority.certificate_pem), encoding="utf-8")
    files = (f"--tls-cert-file={issuer.certificate}", f"--tls-private-key-file={issuer.key}")
    with installation(
        directory / "cluster", manifest=manifest, environment=ENVIRONMENT | OURS, arguments=files
    ) as installed:
        yield installed


async def shown_by(replica: ReplicaStatus) -> bytes:
    """The certificate that a replica shows to the API server, PEM."""
    host, port = replica.webhook_url.removeprefix("https://").split(":")
    shown = await asyncio.to_thread(ssl.get_server_certificate, (host, int(port)))
    return shown.encode()


async def shown(installed: Installed, pair: KeyPair) -> None:
    """Wait until every replica shows this one."""

    async def so() -> bool:
        return {await shown_by(replica) for replica in installed.replicas} == {pair.certificate_pem}

    await eventually(so, "every replica shows what the files hold")


async def said(installed: Installed, text: str) -> None:
    """Wait until every replica says this of itself."""

    async def so() -> bool:
        return all(text in each for each in await installed.readiness())

    await eventually(so, f"every replica says: {text}")


async def all_well(installed: Installed) -> None:
    """Wait until every replica is ready, and has nothing to remark."""

    async def so() -> bool:
        return await installed.readiness() == {"200 ok"}

    await eventually(so, "every replica is ready, and has nothing to remark")


async def bundles_of(cluster: ClusterClient) -> set[bytes]:
    """What the caBundles hold."""
    return {base64.b64decode(each.client_config.ca_bundle) for each in await webhooks_of(cluster)}


async def test_a_certificate_that_is_given_is_shown_and_replaced_with_no_create_failing(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, issuer: Issuer
) -> None:
    """Among themselves replicas show their own, which changes as well."""
    processes, ends = installed.processes, installed.log_ends()
    before = [await installed.figures(replica) for replica in installed.replicas]
    async with Load(cluster, namespace, block, think=0.3) as load:
        await shown(installed, issuer.given)
        for _ in range(2):
            issuer.mount(issuer.issue())
            await shown(installed, issuer.given)
        # Another authority, as it is done with care: trusted before it is served under, and the old one until then.
        old, issuer.authority = issuer.authority, issue_authority(datetime.now(UTC))
        both = old.certificate_pem + issuer.authority.certificate_pem
        await set_bundles(cluster, base64.b64encode(both).decode())
        await asyncio.sleep(1)
        issuer.mount(issuer.issue(timedelta(days=30)))
        await shown(installed, issuer.given)
        await set_bundles(cluster, base64.b64encode(issuer.authority.certificate_pem).decode())
        await installed.logged(ends, event="a new certificate is served")
        await load.until_more(50)
    assert load.failures == []
    assert load.shared() == []
    assert installed.processes == processes
    assert await bundles_of(cluster) == {issuer.authority.certificate_pem}
    after = [await installed.figures(replica) for replica in installed.replicas]
    answered, failed = (
        sum(figures[FORWARDED.format(outcome)] for figures in after)
        - sum(figures[FORWARDED.format(outcome)] for figures in before)
        for outcome in ("answered", "failed")
    )
    assert answered > 0
    assert failed == 0
    in_days = {round((figures[EXPIRY] - datetime.now(UTC).timestamp()) / 86_400) for figures in after}
    assert in_days == {30}


async def test_a_ca_bundle_that_does_not_vouch_for_it_is_said_and_left_as_it_is(
    cluster: ClusterClient, installed: Installed, namespace: str, issuer: Issuer
) -> None:
    wrong = issue_authority(datetime.now(UTC)).certificate_pem
    await set_bundles(cluster, base64.b64encode(wrong).decode())
    await said(installed, "does not vouch for the certificate that is served: unable to get local issuer certificate")
    await said(installed, "it is for cert-manager to write, since the configuration has the annotation")
    assert all(each.startswith("503") for each in await installed.readiness())
    assert all([(await installed.figures(each))["kubemacpool_ca_bundle_valid"] == 0 for each in installed.replicas])
    assert await bundles_of(cluster) == {wrong}
    await set_bundles(cluster, base64.b64encode(issuer.authority.certificate_pem).decode())
    await all_well(installed)
    await asyncio.to_thread(installed.wait_ready)
    assert (await cluster.made(namespace, pod("served"))).mac


@pytest.mark.parametrize("content", [b"garbage", b""])
async def test_files_that_hold_something_else_change_nothing_and_are_named(
    cluster: ClusterClient, installed: Installed, namespace: str, issuer: Issuer, content: bytes
) -> None:
    good = issuer.given
    issuer.certificate.write_bytes(content)
    await said(installed, f"has not been replaced: {issuer.certificate} holds no certificate that can be read")
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    await shown(installed, good)
    issuer.mount(good)
    await all_well(installed)


async def test_a_certificate_that_nobody_replaces_is_said_before_it_ends(
    cluster: ClusterClient, installed: Installed, namespace: str, issuer: Issuer
) -> None:
    """It was issued an hour ago, as certificates are, and ends in some minutes: in the last third of its life."""
    before = issuer.given
    issuer.mount(issuer.issue(timedelta(minutes=10)))
    await shown(installed, issuer.given)
    await said(installed, "and has not been replaced: the files hold no other one")
    assert all(each.startswith("200 ok") for each in await installed.readiness())
    assert (await cluster.made(namespace, pod("meanwhile"))).mac
    issuer.mount(before)
    await all_well(installed)
