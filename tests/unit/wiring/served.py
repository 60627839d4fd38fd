"""An API server with pods, and with virtual machines once they are installed; and whatever follows them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Final

from tests.support.outside import Strict
from tests.support.scripted import Request
from tests.unit.doubles import KeptMeasures, ReadOnly, new_ledger, new_outside
from tests.unit.election.candidates import LoopClock
from tests.unit.kube.documents import event, page

from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.transport import JSON
from kubemacpool.ports import ClusterUnavailableError, NotFoundError
from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wiring import FollowedCluster

PODS: Final = "/api/v1/pods"
KUBEVIRT: Final = "/apis/kubevirt.io"
MACHINES, INSTANCES, MIGRATIONS = (
    f"{KUBEVIRT}/v1/virtualmachine{rest}" for rest in ("s", "instances", "instancemigrations")
)

Document = dict[str, object]


class ServedCluster(ReadOnly):
    """What is stored, and which kinds are served (implements `Transport`)."""

    def __init__(self) -> None:
        self.objects: dict[str, list[Document]] = {PODS: []}
        self.version = 100
        self.requests: list[Request] = []
        self.hung: set[str] = set()
        """Collections whose lists are not answered."""
        self._watchers: list[tuple[str, asyncio.Queue[bytes | None]]] = []

    # What happens in the cluster

    def install(self, *collections: str) -> None:
        """KubeVirt's kinds are served from now on."""
        for collection in collections or (MACHINES, INSTANCES, MIGRATIONS):
            self.objects.setdefault(collection, [])

    def remove(self) -> None:
        """They are not served any more, and every watch of them ends."""
        for collection in (MACHINES, INSTANCES, MIGRATIONS):
            del self.objects[collection]
        for collection, queue in self._watchers:
            if collection not in self.objects:
                queue.put_nowait(None)

    def store(self, collection: str, name: str, document: Document, namespace: str = "ns") -> None:
        """An object is created."""
        self.version += 1
        uid = f"uid-{name}" if namespace == "ns" else f"uid-{namespace}-{name}"
        metadata = {"namespace": namespace, "name": name, "uid": uid, "resourceVersion": str(self.version)}
        given = document.pop("metadata", {})
        assert isinstance(given, dict)
        stored = {**document, "metadata": {**given, **metadata}}
        self.objects[collection].append(stored)
        for watched, queue in self._watchers:
            if watched == collection:
                queue.put_nowait(event("ADDED", stored))

    def change(self, collection: str, name: str, document: Document, namespace: str = "ns") -> None:
        """An object has another content from now on; its uid stays."""
        self._take_out(collection, name, namespace)
        self.store(collection, name, document, namespace)

    def delete(self, collection: str, name: str, namespace: str = "ns") -> None:
        """An object is deleted."""
        deleted = self._take_out(collection, name, namespace)
        self.version += 1
        for watched, queue in self._watchers:
            if watched == collection:
                queue.put_nowait(event("DELETED", deleted))

    def _take_out(self, collection: str, name: str, namespace: str) -> Document:
        for stored in self.objects[collection]:
            metadata = stored["metadata"]
            assert isinstance(metadata, dict)
            if (metadata["namespace"], metadata["name"]) == (namespace, name):
                self.objects[collection].remove(stored)
                return stored
        raise AssertionError(f"there is no {namespace}/{name}")

    # What is asked of the API server

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> bytes:
        """A list, or what there is of KubeVirt."""
        self.requests.append(Request(path, dict(params or {}), accept))
        await asyncio.sleep(0.001)
        plurals = [each.rpartition("/")[2] for each in self.objects if each.startswith(KUBEVIRT)]
        if path in self.hung:
            await asyncio.Event().wait()
        if path in self.objects:
            return page(self.version, *self.objects[path])
        if path == KUBEVIRT and plurals:
            return json.dumps({"preferredVersion": {"version": "v1"}}).encode()
        if path == f"{KUBEVIRT}/v1" and plurals:
            return json.dumps({"resources": [{"name": plural} for plural in plurals]}).encode()
        raise NotFoundError(path)

    async def stream(
        self,
        path: str,
        params: Mapping[str, str],
        hear: Callable[[bytes], None],
        *,
        accept: str,
        idle_seconds: float,
        total_seconds: float,  # noqa: ARG002 (as the port has it)
    ) -> None:
        """A watch that tells of what is stored from now on."""
        self.requests.append(Request(path, dict(params), accept, idle_seconds))
        if path not in self.objects:
            raise NotFoundError(path)
        queue: asyncio.Queue[bytes | None] = asyncio.Queue()
        watcher = (path, queue)
        self._watchers.append(watcher)
        try:
            while (line := await queue.get()) is not None:
                hear(line)
            raise ClusterUnavailableError("the watch has ended")
        finally:
            self._watchers.remove(watcher)


class Scene:
    """A cluster, and what follows it."""

    def __init__(self) -> None:
        self.served = ServedCluster()
        self.ledger = new_ledger()
        self.readiness = Readiness()
        self.measures = KeptMeasures()
        self.followed = FollowedCluster(
            self.ledger,
            new_outside(self.served, measures=self.measures, clock=LoopClock(), readiness=self.readiness),
        )

    @asynccontextmanager
    async def following(self) -> AsyncIterator[None]:
        """It is followed meanwhile; what there is now has been listed."""
        running = asyncio.create_task(self._follow())
        await asyncio.sleep(0.1)
        try:
            yield
        finally:
            running.cancel()
            await asyncio.wait({running})
        assert running.cancelled(), running.exception()

    async def _follow(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            self.followed.start(Strict(tasks))
            await asyncio.Event().wait()

    def holders(self, address: int) -> dict[str, str]:
        """Who carries an address: by object, as whose."""
        return {str(holder.key): str(holder.party) for holder in self.ledger.holders_of(address)}

    def lists(self, collection: str) -> int:
        """How often a collection was listed, other than for a proof."""
        return sum(
            request.path == collection and request.idle_seconds is None and request.params.get("limit") != "1"
            for request in self.served.requests
        )


def pod(mac: str, owner: Document | None = None) -> Document:
    """A pod with an address."""
    annotations = {NETWORKS_ANNOTATION: json.dumps([{"name": "red", "mac": mac}])}
    return {"metadata": {"annotations": annotations, "ownerReferences": [] if owner is None else [owner]}}


def machine(mac: str) -> Document:
    """A virtual machine with an address."""
    return {"spec": {"template": {"spec": _domain(mac)}}}


def instance(mac: str, owner: Document | None = None) -> Document:
    """An instance with an address."""
    return {"metadata": {"ownerReferences": [] if owner is None else [owner]}, "spec": _domain(mac)}


def controller(kind: str, name: str) -> Document:
    """A reference to an object of KubeVirt that is the controller."""
    return {"apiVersion": "kubevirt.io/v1", "kind": kind, "name": name, "uid": f"uid-{name}", "controller": True}


def _domain(mac: str) -> Document:
    return {"domain": {"devices": {"interfaces": [{"name": "red", "macAddress": mac}]}}}
