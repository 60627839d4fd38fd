"""Objects for the contract tests, made by the administrator and written short."""

import asyncio
from collections.abc import Iterable, Mapping

import msgspec

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient


def config_map(name: str, data: Mapping[str, str] | None = None, **metadata: object) -> dict[str, object]:
    """A ConfigMap."""
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, **metadata}, "data": data or {}}


def pod(name: str, **annotations: str) -> dict[str, object]:
    """A pod."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": annotations},
        "spec": {"containers": [{"name": "c", "image": "none"}], "automountServiceAccountToken": False},
    }


def pod_template(name: str) -> dict[str, object]:
    """A PodTemplate, which the control plane's API server reads from etcd itself."""
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": {"name": name},
        "template": {"spec": {"containers": [{"name": "c", "image": "none"}]}},
    }


def service_account(name: str) -> dict[str, object]:
    """A ServiceAccount."""
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": name}}


def create(plane: ControlPlane, namespace: str, plural: str, *objects: Mapping[str, object]) -> None:
    """Creates objects of the core API, one after the other."""
    for content in objects:
        plane.api.request("POST", f"/api/v1/namespaces/{namespace}/{plural}", content)


def delete(plane: ControlPlane, namespace: str, plural: str, *names: str) -> None:
    """Deletes objects of the core API."""
    for name in names:
        plane.api.request("DELETE", f"/api/v1/namespaces/{namespace}/{plural}/{name}?gracePeriodSeconds=0")


async def create_many(client: ApiClient, path: str, objects: Iterable[Mapping[str, object]]) -> None:
    """Creates many objects, 16 at a time."""
    waiting = iter(objects)

    async def work() -> None:
        for content in waiting:
            await client.create(path, msgspec.json.encode(content))

    async with asyncio.TaskGroup() as group:
        for _ in range(16):
            group.create_task(work())
