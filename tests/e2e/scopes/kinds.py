"""Pods and virtual machines alike: what is asked of both is written once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import msgspec
from tests.e2e.cluster_client import NETWORKS, pod
from tests.e2e.machines import machine, machine_macs, machines_path

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.e2e.cluster_client import ClusterClient, Reply


class _Selection(msgspec.Struct):
    mac: str = ""


@dataclass(frozen=True)
class Kind:
    """One of the two kinds that we give addresses to.

    Attributes:
        name: as messages spell it.
        webhook: the name of its webhook, which is the key of the namespace label too.
    """

    name: str
    webhook: str

    def __str__(self) -> str:
        return self.name

    def path(self, namespace: str) -> str:
        """Where the objects of a namespace are."""
        return f"/api/v1/namespaces/{namespace}/pods" if self.name == "Pod" else machines_path(namespace)

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
        if self.name == "Pod":
            networks = f'[{{"name":"net","mac":"{mac}"}}]' if mac else '[{"name":"net"}]'
            own = {"annotations": {NETWORKS: networks} | dict(annotations or {}), "labels": {"app": "a-test"}}
            manifest = pod(name, metadata=own)
        else:
            manifest = machine(name, [mac], annotations=annotations)
        params = {"dryRun": "All"} if dry_run else None
        return await cluster.request("POST", self.path(namespace), manifest, params=params)

    async def made(self, cluster: ClusterClient, namespace: str, name: str, mac: str = "") -> Reply:
        """Create one; has to succeed."""
        reply = await self.create(cluster, namespace, name, mac)
        assert reply.created, reply.body
        return reply

    async def delete(self, cluster: ClusterClient, namespace: str, name: str) -> None:
        """Delete one."""
        await cluster.done("DELETE", f"{self.path(namespace)}/{name}")

    def mac(self, reply: Reply) -> str:
        """The address of its only interface; empty where it has none."""
        if self.name == "Pod":
            (selection,) = msgspec.json.decode(reply.networks, type=list[_Selection])
            return selection.mac
        (mac,) = machine_macs(reply)
        return mac


POD: Final = Kind("Pod", "mutatepods.kubemacpool.io")
MACHINE: Final = Kind("VirtualMachine", "mutatevirtualmachines.kubemacpool.io")
KINDS: Final = (POD, MACHINE)
