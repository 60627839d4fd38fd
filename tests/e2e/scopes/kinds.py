"""Pods and virtual machines alike: what is asked of both is written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from tests.support.cluster_client import NETWORKS, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import machine, nic
from tests.support.machines import INSTANCES, MACHINES, PODS, Plural, collection, document, machine_macs

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cluster_client import ClusterClient, Reply


class _Selection(msgspec.Struct):
    mac: str = ""


@dataclass(frozen=True)
class Kind:
    """One of the two kinds that we give addresses to.

    Attributes:
        name: as messages spell it.
        plural: as paths do.
        webhook: the name of its webhook, which is the key of the namespace label too.
        label: what its interface is called in messages.
        key: under which it has its address.
    """

    name: str
    plural: Plural
    webhook: str
    label: str
    key: str

    def __str__(self) -> str:
        return self.name

    def path(self, namespace: str, name: str = "") -> str:
        """Where an object is, or all of a namespace."""
        return collection(namespace, self.plural) + (f"/{name}" if name else "")

    async def create(
        self,
        cluster: ClusterClient,
        namespace: str,
        name: str,
        mac: str = "",
        *,
        annotations: Mapping[str, str] | None = None,
        dry_run: bool = False,
    ) -> Reply:
        """Create one with one interface, or ask whether it could be."""
        if self.plural == PODS:
            networks = f'[{{"name":"one","mac":"{mac}"}}]' if mac else '[{"name":"one"}]'
            own = {"annotations": {NETWORKS: networks} | dict(annotations or {}), "labels": {"app": "a-test"}}
            manifest = pod(name, metadata=own)
        else:
            manifest = machine(name, nic(mac=mac), metadata={"annotations": dict(annotations or {})})
        params = {"dryRun": "All"} if dry_run else None
        return await cluster.request("POST", self.path(namespace), manifest, params=params)

    async def made(self, cluster: ClusterClient, namespace: str, name: str, mac: str = "") -> Reply:
        """Create one; has to succeed."""
        reply = await self.create(cluster, namespace, name, mac)
        assert reply.created, reply.body
        return reply

    async def delete(self, cluster: ClusterClient, namespace: str, name: str) -> None:
        """Delete one."""
        await cluster.done("DELETE", self.path(namespace, name))

    async def until_refused(
        self, cluster: ClusterClient, namespace: str, mac: str, holder: str, name: str = "asks"
    ) -> Reply:
        """Wait until one is refused an address because of this holder."""
        replies: list[Reply] = []

        async def refused() -> bool:
            replies[:] = [await self.create(cluster, namespace, name, mac, dry_run=True)]
            return not replies[0].created and f"mac {mac} is in use by {holder}" in replies[0].message

        await eventually(refused, f"{self} is refused {mac} because of {holder}")
        return replies[0]

    async def until_free(self, cluster: ClusterClient, namespace: str, mac: str) -> None:
        """Wait until one may have an address."""

        async def free() -> bool:
            reply = await self.create(cluster, namespace, "asks", mac, dry_run=True)
            if not reply.created and "a moment ago" in reply.message:
                await stir(cluster, namespace)
            return reply.created and not reply.warnings

        await eventually(free, f"{self} may have {mac}")

    def mac(self, reply: Reply) -> str:
        """The address of its only interface; empty where it has none."""
        if self.plural == PODS:
            (selection,) = msgspec.json.decode(reply.networks, type=list[_Selection])
            return selection.mac
        return machine_macs(document(reply)).get("one", "")


async def stir(cluster: ClusterClient, namespace: str) -> None:
    """Have something happen to every kind, as in a cluster at work.

    What may still be on its way ends when every watch is proven to be past a moment. One that hears of nothing is so by
    the API server's bookmarks alone, which come once a minute.
    """
    about = {"metadata": {"generateName": "stir-"}}
    kinds: tuple[tuple[Plural, str], ...] = ((MACHINES, "VirtualMachine"), (INSTANCES, "VirtualMachineInstance"))
    for plural, kind in kinds:
        empty = about | {"apiVersion": "kubevirt.io/v1", "kind": kind, "spec": {}}
        await cluster.done("POST", collection(namespace, plural), empty)
    await cluster.done("POST", collection(namespace, PODS), pod(networks=None, generate_name="stir-"))


POD: Final = Kind("Pod", PODS, "mutatepods.kubemacpool.io", 'entry 0 ("one")', "mac")
MACHINE: Final = Kind(
    "VirtualMachine", MACHINES, "mutatevirtualmachines.kubemacpool.io", 'interface "one"', "macAddress"
)
KINDS: Final = (POD, MACHINE)
