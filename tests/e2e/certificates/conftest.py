"""Installations whose certificates change all the time, and what shows which step of a rotation is being taken."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.conftest import block, cluster, namespace
from tests.e2e.test_objects import MUTATOR, Configuration, Webhook
from tests.support.cluster_client import ConfigMap
from tests.support.credentials import SECRETS
from tests.support.installed import ENVIRONMENT, installation

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Iterator

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

__all__ = ["block", "cluster", "namespace"]

SECONDS: Final = {
    "CA_ROTATE_INTERVAL": "12s",
    "CA_OVERLAP_INTERVAL": "8s",
    "CERT_ROTATE_INTERVAL": "12s",
    "CERT_OVERLAP_INTERVAL": "8s",
}
"""The shortest that may be: another authority each four seconds, and a certificate of it two seconds later."""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose certificates last for seconds."""
    with installation(tmp_path_factory.mktemp("rotating"), environment=ENVIRONMENT | SECONDS) as installed:
        yield installed


class Steps:
    """What the API server has of our certificates, looked at ten times a second, and how often it has changed.

    Attributes:
        authorities: every one that was the present one.
        serving: every certificate that was to be served.
        bundles: every caBundle.
    """

    def __init__(self, cluster: ClusterClient) -> None:
        """Look by this client."""
        self._cluster = cluster
        self._changed = asyncio.Event()
        self.authorities: list[str] = []
        self.bundles: list[str] = []
        self.serving: list[str] = []

    async def look(self) -> None:
        """Look again and again."""
        while True:
            authority = (await self._cluster.get(f"{SECRETS}/kubemacpool-ca", ConfigMap)).data["tls.crt"]
            (bundle,) = {each.client_config.ca_bundle for each in await webhooks_of(self._cluster)}
            serving = (await self._cluster.get(f"{SECRETS}/kubemacpool-service", ConfigMap)).data["tls.crt"]
            for seen, now in ((self.authorities, authority), (self.bundles, bundle), (self.serving, serving)):
                if not seen or seen[-1] != now:
                    seen.append(now)
                    self._changed.set()
            await asyncio.sleep(0.1)

    async def more(self, seen: list[str], count: int = 1, within: float = 30.0) -> None:
        """Wait until there are so many more of one kind."""
        wanted = len(seen) + count
        async with asyncio.timeout(within):
            while len(seen) < wanted:
                self._changed.clear()
                await self._changed.wait()


async def webhooks_of(cluster: ClusterClient) -> list[Webhook]:
    """Our webhooks, as they are stored."""
    return (await cluster.get(MUTATOR, Configuration)).webhooks


@pytest.fixture
async def steps(cluster: ClusterClient) -> AsyncIterator[Steps]:
    """What happens to our certificates, from now on."""
    steps = Steps(cluster)
    looking = asyncio.create_task(steps.look())
    await steps.more(steps.serving)
    yield steps
    looking.cancel()
    await asyncio.wait({looking})
    assert looking.cancelled(), looking.exception()
