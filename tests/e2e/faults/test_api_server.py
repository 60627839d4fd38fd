"""An API server that has just been started knows nothing yet, and lets nobody pass for it."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

RESTARTS: Final = 6
CLIENTS: Final = 24
BINDINGS: Final = 2000
"""Of each kind. Large clusters have as many, and while they are read an API server answers administrators already."""
RBAC: Final = "/apis/rbac.authorization.k8s.io/v1"
CROWDED: Final = "a-crowd"


class Insistent:
    """Administrators, whom no rule of RBAC concerns, ask for an address that a pod holds, again and again."""

    def __init__(self, cluster: ClusterClient, namespace: str, networks: str) -> None:
        self.answers: Counter[str] = Counter()
        self._cluster = cluster
        self._namespace = namespace
        self._networks = networks
        self._over = False

    async def ask(self, client: int) -> None:
        """Go on until the end."""
        path = f"/api/v1/namespaces/{self._namespace}/pods?dryRun=All"
        while not self._over:
            reply = await self._cluster.ask("POST", path, pod(f"another-{client}", self._networks))
            self.answers["created" if reply.created else "refused" if reply.status == 403 else "failed"] += 1
            await asyncio.sleep(0 if reply.status else 0.01)

    def end(self) -> None:
        """It is enough."""
        self._over = True


@pytest.fixture
async def many_bindings(cluster: ClusterClient) -> AsyncIterator[None]:
    """Before ours in the order in which an API server reads them, and between ours and those that it has itself."""
    await cluster.namespace(CROWDED)
    paths = (f"{RBAC}/namespaces/{CROWDED}/rolebindings", f"{RBAC}/clusterrolebindings")
    role = {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"}
    subjects = [{"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": f"user-{n}"} for n in range(20)]

    async def bind(first: int) -> None:
        for number in range(first, BINDINGS, CLIENTS):
            metadata = {"name": f"{'al'[number % 2]}-{number}", "labels": {"made-for": CROWDED}}
            body = {"metadata": metadata, "roleRef": role, "subjects": subjects}
            for path in paths:
                assert (await cluster.ask("POST", path, body)).created

    async with asyncio.TaskGroup() as binding:
        for first in range(CLIENTS):
            binding.create_task(bind(first))
    yield
    for path in paths:
        await cluster.done("DELETE", f"{path}?labelSelector=made-for={CROWDED}")


@pytest.mark.usefixtures("many_bindings")
async def test_while_an_api_server_starts_nobody_is_let_through_with_the_address_of_another(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """Whether the webhooks are in effect is asked of RBAC, which it has to read first."""
    holder = await cluster.made(namespace, pod("holder"))
    insistent = Insistent(cluster, namespace, f'[{{"name":"one","mac":"{holder.mac}"}}]')
    async with asyncio.TaskGroup() as clients:
        for number in range(CLIENTS):
            clients.create_task(insistent.ask(number))
        for _ in range(RESTARTS):
            refused = insistent.answers["refused"]
            await asyncio.to_thread(installed.control_plane.stop_apiserver)
            await asyncio.to_thread(installed.control_plane.start_apiserver)

            async def served(before: int = refused) -> bool:
                return insistent.answers["refused"] > before

            await eventually(served, "the webhook is asked again", within=30)
        insistent.end()
    assert insistent.answers["created"] == 0, insistent.answers
