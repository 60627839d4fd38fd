"""Virtual machines as their users handle them: what they ask the API server for, and what they wait for."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final, Literal

import msgspec
from tests.support.cluster_client import MERGE, NETWORKS
from tests.support.cluster_client import macs_of as networks_macs
from tests.support.installed import eventually
from tests.support.machine_manifests import LAUNCHER, Document, machine, nic

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.support.cluster_client import ClusterClient, Reply

Plural = Literal["virtualmachines", "virtualmachineinstances", "virtualmachineinstancemigrations", "pods"]

MACHINES: Final = "virtualmachines"
INSTANCES: Final = "virtualmachineinstances"
MIGRATIONS: Final = "virtualmachineinstancemigrations"
PODS: Final = "pods"
LAUNCHERS: Final = ",".join(f"{key}={value}" for key, value in LAUNCHER.items())

BARRIER_SECONDS: Final = 100.0
"""After a replica has acquired the Lease, what a machine leaves is kept for its other objects until the read barrier is
passed, which a kind of which nothing happens does with its bookmark of each minute, or by a list after 90 s."""

STRANGER: Final = "somebody-else"
"""A machine that is asked about and never made."""


def collection(namespace: str, plural: Plural) -> str:
    """The path of a kind in a namespace."""
    group = "/api/v1" if plural == PODS else "/apis/kubevirt.io/v1"
    return f"{group}/namespaces/{namespace}/{plural}"


def document(reply: Reply) -> Document:
    """The object that the API server answered with."""
    assert reply.status in {200, 201, 202}, reply.body
    return msgspec.json.decode(reply.body, type=dict[str, Any])


def machine_nics(machine: Document) -> list[Document]:
    """The interfaces in a machine's template, to be read and edited."""
    nics: list[Document] = machine["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
    return nics


def machine_macs(machine: Document) -> dict[str, str]:
    """By name of the interface, the addresses in a machine's template; an interface without one is left out."""
    return _addresses(machine_nics(machine))


def instance_macs(instance: Document) -> dict[str, str]:
    """By name of the interface, the addresses of an instance; an interface without one is left out."""
    return _addresses(instance["spec"]["domain"]["devices"]["interfaces"])


def launcher_macs(pod: Document) -> list[str]:
    """The addresses in the annotation of a launcher pod."""
    return networks_macs(pod["metadata"].get("annotations", {}).get(NETWORKS, "[]"))


class Machines:
    """The virtual machines of one namespace."""

    def __init__(self, cluster: ClusterClient, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace

    def path(self, name: str = "", plural: Plural = MACHINES) -> str:
        """Where an object is, or all of its kind."""
        return collection(self.namespace, plural) + (f"/{name}" if name else "")

    async def create(self, manifest: Document, plural: Plural = MACHINES, *, dry_run: bool = False) -> Reply:
        """Create a machine, or another object of KubeVirt; whatever the API server answers is an answer."""
        params = {"dryRun": "All"} if dry_run else None
        return await self.cluster.request("POST", self.path(plural=plural), manifest, params=params)

    async def made(self, manifest: Document, plural: Plural = MACHINES) -> Document:
        """Create one; has to succeed."""
        return document(await self.create(manifest, plural))

    async def until_held(self, mac: str, holder: str) -> None:
        """Wait until another machine is refused an address because of this holder, such as `Pod ns/a`."""

        async def held() -> bool:
            reply = await self.create(machine(STRANGER, nic(mac=mac)), dry_run=True)
            return not reply.created and f"mac {mac} is in use by {holder};" in reply.message

        await eventually(held, f"{mac} is held by {holder}")

    async def until_free(self, mac: str) -> None:
        """Wait until another machine could have an address."""
        told = ""

        async def free() -> bool:
            nonlocal told
            reply = await self.create(machine(STRANGER, nic(mac=mac)), dry_run=True)
            told = reply.message
            return reply.created

        try:
            await eventually(free, f"{mac} is free", within=BARRIER_SECONDS)
        except AssertionError as error:
            raise AssertionError(f"{error}: {told}") from None

    async def find(self, name: str, plural: Plural = MACHINES) -> Document | None:
        """Read an object; None where there is none."""
        reply = await self.cluster.request("GET", self.path(name, plural))
        return None if reply.status == 404 else document(reply)

    async def get(self, name: str, plural: Plural = MACHINES) -> Document:
        """Read an object that is there."""
        found = await self.find(name, plural)
        assert found is not None, f"{plural} {name}"
        return found

    async def all(self, plural: Plural = MACHINES, selector: str = "") -> list[Document]:
        """Every object of a kind."""
        params = {"labelSelector": selector} if selector else None
        listed = document(await self.cluster.request("GET", self.path(plural=plural), params=params))
        items: list[Document] = listed["items"]
        return items

    async def launchers(self, name: str) -> list[Document]:
        """The launcher pods of an instance that have not ended."""
        pods = await self.all(PODS, f"{LAUNCHERS},vm.kubevirt.io/name={name}")
        return [pod for pod in pods if pod["status"].get("phase") not in {"Succeeded", "Failed"}]

    async def patch(self, name: str, body: Document, plural: Plural = MACHINES) -> Reply:
        """Merge into an object."""
        return await self.cluster.request("PATCH", self.path(name, plural), body, content_type=MERGE)

    async def change(self, name: str, edit: Callable[[Document], None]) -> Reply:
        """Edit a machine as `kubectl edit` does: read, change, replace; anew where somebody else was faster."""
        while True:
            found = await self.get(name)
            edit(found)
            reply = await self.cluster.request("PUT", self.path(name), found)
            if reply.status != 409:
                return reply

    async def start(self, name: str) -> None:
        """Have it running, and wait until it is."""
        document(await self.patch(name, {"spec": {"runStrategy": "Always"}}))
        await self.until_running(name)

    async def stop(self, name: str) -> None:
        """Have it stopped, and wait until nothing of its instance is left."""
        document(await self.patch(name, {"spec": {"runStrategy": "Halted"}}))
        await self.until_stopped(name)

    async def restart(self, name: str) -> None:
        """Put a new instance in the place of the one that runs, and wait until it runs."""
        before = (await self.get(name, INSTANCES))["metadata"]["uid"]
        document(await self.cluster.request("DELETE", self.path(name, INSTANCES)))
        await self.until_running(name, other_than=before)

    async def delete(self, name: str, policy: str = "Background", plural: Plural = MACHINES) -> None:
        """Delete an object, and wait until it is gone; its dependents as by `kubectl delete --cascade`."""
        document(await self.cluster.request("DELETE", self.path(name, plural), {"propagationPolicy": policy}))
        await self.until_gone(name, plural)

    async def until_running(self, name: str, other_than: str = "") -> Document:
        """Wait until an instance runs, other than the one of this uid; gives it."""
        found: list[Document] = []

        async def runs() -> bool:
            instance = await self.find(name, INSTANCES)
            found[:] = [instance] if instance is not None else []
            return instance is not None and phase_of(instance) == "Running" and uid_of(instance) != other_than

        await eventually(runs, f"VirtualMachineInstance {name} runs")
        return found[0]

    async def until_stopped(self, name: str) -> None:
        """Wait until neither an instance nor a launcher pod of it is left."""
        await self.until_gone(name, INSTANCES)

        async def stopped() -> bool:
            return not await self.all(PODS, f"{LAUNCHERS},vm.kubevirt.io/name={name}")

        await eventually(stopped, f"no launcher pod of {name} is left")

    async def until_gone(self, name: str, plural: Plural = MACHINES) -> None:
        """Wait until there is no such object."""

        async def gone() -> bool:
            return await self.find(name, plural) is None

        await eventually(gone, f"{plural} {name} is gone")


def phase_of(found: Document) -> str:
    """The phase of an instance, a migration or a pod; empty where it has none yet."""
    phase: str = found.get("status", {}).get("phase", "")
    return phase


def uid_of(found: Document) -> str:
    """The uid of an object."""
    uid: str = found["metadata"]["uid"]
    return uid


def _addresses(nics: list[Document]) -> dict[str, str]:
    return {each["name"]: each["macAddress"] for each in nics if each.get("macAddress")}
