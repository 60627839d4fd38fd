"""Certificates that were lost or spoilt: the next replica to start makes them good."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.test_objects import MUTATOR, Configuration
from tests.support.cluster_client import pod
from tests.support.credentials import spoil

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


async def spoil_credentials(cluster: ClusterClient, how: str) -> None:
    """Do to our credentials what somebody might do by mistake."""
    if how == "the caBundle is emptied":
        patch = [{"op": "remove", "path": f"/webhooks/{index}/clientConfig/caBundle"} for index in range(2)]
        await cluster.done("PATCH", MUTATOR, patch, content_type="application/json-patch+json")
    else:
        await spoil(cluster, how)


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
    await spoil_credentials(cluster, how)
    await installed.restart()
    assert (await cluster.made(namespace, pod("a"))).mac
    assert (await bundle() == before) is authority_stays
    assert "PRIVATE KEY" not in str(installed.log())
