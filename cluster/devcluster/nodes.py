"""Node objects for KWOK to play: as many as asked for, named node01, node02 and so on."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from devcluster.api import ApiServer

LABEL = "kubemacpool.io/simulated-node"
# Big enough that the scheduler never refuses a pod of a test for want of room.
CAPACITY = {"cpu": "4096", "memory": "16Ti", "pods": "65536"}


class _Metadata(msgspec.Struct):
    name: str


class _Condition(msgspec.Struct):
    type: str
    status: str


class _NodeStatus(msgspec.Struct):
    conditions: list[_Condition] = []


class _Spec(msgspec.Struct):
    taints: list[dict[str, object]] = []


class _Node(msgspec.Struct):
    metadata: _Metadata
    spec: _Spec = msgspec.field(default_factory=_Spec)
    status: _NodeStatus = msgspec.field(default_factory=_NodeStatus)

    def schedulable(self) -> bool:
        """Tell whether it is ready, and the taint of a node that is not has been taken away."""
        ready = any(item.type == "Ready" and item.status == "True" for item in self.status.conditions)
        return ready and not self.spec.taints


class _NodeList(msgspec.Struct):
    items: list[_Node]


def reconcile(api: ApiServer, count: int) -> None:
    """Make the simulated nodes exactly `count`."""
    wanted = {node_name(number) for number in range(1, count + 1)}
    there = {node.metadata.name for node in _list(api)}
    for name in sorted(wanted - there):
        api.request("POST", "/api/v1/nodes", _manifest(name))
    for name in sorted(there - wanted):
        api.request("DELETE", f"/api/v1/nodes/{name}")


def present(api: ApiServer) -> int:
    """Count the simulated nodes."""
    return len(_list(api))


def ready(api: ApiServer) -> int:
    """Count the simulated nodes that take pods."""
    return sum(node.schedulable() for node in _list(api))


def node_name(number: int) -> str:
    """Name the node with this number, from 1."""
    return f"node{number:02}"


def _list(api: ApiServer) -> list[_Node]:
    return api.get(f"/api/v1/nodes?labelSelector={LABEL}", _NodeList).items


def _manifest(name: str) -> dict[str, object]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {LABEL: "", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "status": {"allocatable": CAPACITY, "capacity": CAPACITY},
    }
