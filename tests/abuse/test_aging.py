"""The authority grows old while we run: another one follows it, and nobody notices.

An installation of its own, whose authority reaches the last third of its life a few seconds after the replicas do.
"""

from __future__ import annotations

import asyncio
import base64
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.abuse.test_trust import bundles_of
from tests.support.cluster_client import ConfigMap, pod
from tests.support.credentials import SECRETS
from tests.support.installed import Installed

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import RELEASE_MANIFEST
from kubemacpool.certs.issue import BACKDATED, KeyPair, ServerNames, issue_authority, issue_serving, service_names
from kubemacpool.certs.rotation import AUTHORITY_SECRET, SERVING_SECRET

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster_client import ClusterClient

OURS: Final = "kubemacpool-system"
LIFETIME: Final = timedelta(hours=2)
YOUNG: Final = timedelta(seconds=25)
"""For the replicas to start."""


def secret(name: str, pair: KeyPair, **more: bytes) -> str:
    """A Secret with this pair, for kubectl."""
    content = {"tls.crt": pair.certificate_pem, "tls.key": pair.key_pem} | {
        key.replace("_", "."): value for key, value in more.items()
    }
    data = {key: base64.b64encode(value).decode() for key, value in content.items()}
    metadata = {"name": name, "namespace": OURS}
    manifest = {"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": metadata, "data": data}
    return msgspec.json.encode(manifest).decode()


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A cluster of this test's own."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("aging-cluster"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        yield control_plane


@pytest.fixture(scope="module")
def old_at(control_plane: ControlPlane) -> datetime:
    """When the authority begins to be old: not before the cluster is up."""
    control_plane.kubectl("create", "namespace", OURS)
    return datetime.now(UTC) + YOUNG


@pytest.fixture(scope="module")
def installed(control_plane: ControlPlane, old_at: datetime) -> Installed:
    """An installation whose certificates are of an authority that will be old soon."""
    issued = old_at - (LIFETIME + BACKDATED) * (2 / 3) + BACKDATED
    authority = issue_authority(issued, LIFETIME)
    names = service_names(("kubemacpool-service", "kubemacpool-metrics-service"), OURS)
    serving = issue_serving(authority, ServerNames(names), issued, LIFETIME)
    control_plane.kubectl("create", "-f", "-", stdin=secret(AUTHORITY_SECRET, authority))
    ca = authority.certificate_pem
    control_plane.kubectl("create", "-f", "-", stdin=secret(SERVING_SECRET, serving, ca_crt=ca))
    installed = Installed(control_plane, RELEASE_MANIFEST)
    installed.sync()
    return installed


async def test_an_authority_that_grows_old_is_followed_by_another_while_creates_go_on(
    cluster: ClusterClient, installed: Installed, namespace: str, old_at: datetime
) -> None:
    """Neither the API server nor a replica is ever shown a certificate of which it has not heard."""
    (before,) = set(await bundles_of(cluster))
    old = (await cluster.get(f"{SECRETS}/{AUTHORITY_SECRET}", ConfigMap)).data["tls.crt"]
    assert before == old, "the replicas have started while it was young"
    processes, ends = installed.processes, installed.log_ends()
    await asyncio.sleep((old_at - datetime.now(UTC)).total_seconds() + 1)
    # The next look would come by itself, within half a minute.
    await cluster.patch(f"{SECRETS}/{AUTHORITY_SECRET}", {"metadata": {"labels": {"looked": "at"}}})
    served = asyncio.create_task(installed.logged(ends, event="a new certificate is served"))
    number = 0
    while not served.done():
        number += 1
        await cluster.made(namespace, pod(f"goes-on-{number}"))
        await asyncio.sleep(0.02)
    await served
    await cluster.made(namespace, pod("after"))
    (after,) = set(await bundles_of(cluster))
    assert base64.b64decode(old) in base64.b64decode(after), "it is trusted for as long as it lives"
    assert after != before
    failed = [await installed.figures(replica) for replica in installed.replicas]
    assert not any(shown["kubemacpool_forwarded_reviews_total{outcome=failed}"] for shown in failed)
    assert installed.processes == processes
