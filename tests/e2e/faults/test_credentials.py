"""Certificates that were lost or spoilt: the next replica to start makes them good."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.test_objects import MUTATOR, Configuration
from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

SECRETS: Final = "/api/v1/namespaces/kubemacpool-system/secrets"
GARBAGE: Final = {"data": {"tls.crt": "Z2FyYmFnZQ==", "tls.key": "Z2FyYmFnZQ=="}}


async def spoil(cluster: ClusterClient, how: str) -> None:
    """Do to our credentials what somebody might do by mistake."""
    match how:
        case "the caBundle is emptied":
            patch = [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(2)]
            await cluster.done("PATCH", MUTATOR, patch, content_type="application/json-patch+json")
        case "both Secrets are deleted":
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-ca")
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-service")
        case "the serving certificate is deleted":
            await cluster.done("DELETE", f"{SECRETS}/kubemacpool-service")
        case "the authority is garbage":
            await cluster.patch(f"{SECRETS}/kubemacpool-ca", GARBAGE)
        case "the serving certificate is garbage":
            await cluster.patch(f"{SECRETS}/kubemacpool-service", GARBAGE)
        case "the serving certificate is emptied":
            await cluster.patch(f"{SECRETS}/kubemacpool-service", {"data": {"tls.crt": "", "tls.key": ""}})


@pytest.mark.parametrize(
    ("how", "authority_stays"),
    [
        ("the caBundle is emptied", True),
        ("both Secrets are deleted", False),
        ("the serving certificate is deleted", True),
        ("the authority is garbage", False),
        ("the serving certificate is garbage", True),
        ("the serving certificate is emptied", True),
    ],
)
async def test_spoilt_credentials_are_healed_by_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, how: str, *, authority_stays: bool
) -> None:
    async def bundle() -> str:
        webhooks = (await cluster.get(MUTATOR, Configuration)).webhooks
        (common,) = {webhook.client_config.ca_bundle for webhook in webhooks}
        return common

    before = await bundle()
    await spoil(cluster, how)
    await installed.restart()
    assert (await cluster.made(namespace, pod("a"))).mac
    assert (await bundle() == before) is authority_stays
    assert "PRIVATE KEY" not in str(installed.log())
