"""A StatefulSet whose pods run: kube-controller-manager makes them, KWOK plays their node."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec
from tests.support.cluster_client import NETWORKS, Metadata, macs_of, pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cluster_client import ClusterClient

STICKY: Final = {"kubemacpool.io/sticky": "true"}
TWO_NETWORKS: Final = '[{"name":"one"},{"name":"two"}]'


class _Status(msgspec.Struct):
    phase: str = ""


class _Pod(msgspec.Struct):
    metadata: Metadata
    status: _Status


class _PodList(msgspec.Struct):
    items: list[_Pod]


class StatefulSet:
    """One StatefulSet of a namespace; its pods are given addresses for two networks."""

    def __init__(self, cluster: ClusterClient, namespace: str, name: str = "db") -> None:
        self._cluster = cluster
        self._collection = f"/apis/apps/v1/namespaces/{namespace}/statefulsets"
        self._pods = f"/api/v1/namespaces/{namespace}/pods"
        self._name = name

    async def make(self, replicas: int) -> dict[str, list[str]]:
        """Make it, and wait until its pods run; gives their addresses."""
        labels = {"app": self._name}
        template = {
            "metadata": {"labels": labels, "annotations": {NETWORKS: TWO_NETWORKS} | STICKY},
            "spec": pod(scheduled=True)["spec"],
        }
        spec = {
            "replicas": replicas,
            "serviceName": self._name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": labels},
            "template": template,
        }
        await self._cluster.done("POST", self._collection, {"metadata": {"name": self._name}, "spec": spec})
        return await self.until_running(replicas)

    async def scale(self, replicas: int) -> dict[str, list[str]]:
        """Have so many pods, and wait until they run and the others are gone; gives their addresses."""
        await self._cluster.patch(f"{self._collection}/{self._name}", {"spec": {"replicas": replicas}})
        return await self.until_running(replicas)

    async def replace(self) -> dict[str, list[str]]:
        """Delete every pod, and wait until others run in their place; gives their addresses."""
        before = await self._present()
        for name in before:
            await self._cluster.done("DELETE", f"{self._pods}/{name}")
        return await self.until_running(len(before), {found.metadata.uid for found in before.values()})

    async def delete(self) -> None:
        """Delete it, and wait until its pods are gone."""
        await self.scale(0)
        await self._cluster.done("DELETE", f"{self._collection}/{self._name}")

    async def until_running(self, replicas: int, other_than: set[str] | None = None) -> dict[str, list[str]]:
        """Wait until exactly so many pods are there and run, none of them with these uids; gives their addresses."""
        found: dict[str, _Pod] = {}

        async def run() -> bool:
            found.clear()
            found.update(await self._present())
            return len(found) == replicas and all(
                each.status.phase == "Running" and each.metadata.uid not in (other_than or ())
                for each in found.values()
            )

        await eventually(run, f"{replicas} pods of StatefulSet {self._name} run")
        return addresses(found)

    async def _present(self) -> dict[str, _Pod]:
        listed = (await self._cluster.get(f"{self._pods}?labelSelector=app={self._name}", _PodList)).items
        return {found.metadata.name: found for found in listed}


def addresses(pods: Mapping[str, _Pod]) -> dict[str, list[str]]:
    """By name, the addresses of pods."""
    return {name: macs_of(found.metadata.annotations[NETWORKS]) for name, found in pods.items()}
