"""Virtual machines, and a stand-in for virt-controller, which makes their instances and launcher pods and ends them."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import aiohttp
import msgspec
from bench.errors import BenchError
from bench.installing import NAMESPACE
from bench.pods import NETWORKS, POD, PODS, delete_all

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable, Iterable

    from devcluster.api import ApiServer
    from devcluster.controlplane import ControlPlane

MACHINE = Path(__file__).with_name("machine.json")
KUBEVIRT = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}"
MACHINES, INSTANCES = f"{KUBEVIRT}/virtualmachines", f"{KUBEVIRT}/virtualmachineinstances"
CLIENTS = 16
# Longer than anything may take: three times the webhook's time-out as shipped.
REQUEST_SECONDS = 30.0
CREATED = 201
PAGE = 500

ItemT = TypeVar("ItemT")


class VirtController:
    """Makes virtual machines as a user does, and starts and stops all of them as virt-controller does."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """There are none."""
        pki = control_plane.layout.pki
        self._api: ApiServer = control_plane.api
        self._url = control_plane.server_url
        self._tls = ssl.create_default_context(cafile=str(control_plane.ca_path))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        pod = msgspec.json.decode(POD.read_bytes(), type=_Launcher)
        self._pod_spec = msgspec.Raw(msgspec.json.encode(msgspec.json.decode(pod.spec)))

    def make(self, number: int) -> None:
        """Make so many, stopped."""
        template = msgspec.json.encode(msgspec.json.decode(MACHINE.read_bytes()))
        self._each(self._make, (template.replace(b"############", b"%012d" % index) for index in range(number)))

    def start(self) -> None:
        """Make an instance for each, and a launcher pod for each instance."""
        self._each(self._start, self.machines())

    def stop(self) -> None:
        """Delete every instance and every launcher pod."""
        for path in (INSTANCES, PODS):
            delete_all(self._api, path)

    def machines(self) -> list[Machine]:
        """All there are, as they are stored."""
        found: list[Machine] = []
        more = ""
        while True:
            page = self._api.get(f"{MACHINES}?limit={PAGE}&continue={more}", _Page)
            found += page.items
            more = page.metadata.next
            if not more:
                return found

    def sizes(self) -> dict[str, int]:
        """Bytes of one object of each kind, as it is stored; none of a kind of which there is none."""
        return {
            path.rpartition("/")[2]: len(page.items[0])
            for path in (MACHINES, INSTANCES, PODS)
            if (page := self._api.get(f"{path}?limit=1", _RawPage)).items
        }

    async def _make(self, session: aiohttp.ClientSession, body: bytes) -> None:
        await self._create(session, MACHINES, body)

    async def _start(self, session: aiohttp.ClientSession, machine: Machine) -> None:
        name, spec = machine.metadata.name, machine.spec.template.spec
        instance = {
            "apiVersion": "kubevirt.io/v1",
            "kind": "VirtualMachineInstance",
            "metadata": {
                "name": name,
                "labels": {"kubevirt.io/vm": name},
                "ownerReferences": [_controller("VirtualMachine", machine.metadata)],
            },
            "spec": spec,
        }
        made = msgspec.json.decode(await self._create(session, INSTANCES, msgspec.json.encode(instance)), type=_Stored)
        networks = msgspec.json.encode(
            [
                {"name": interface.name, "namespace": NAMESPACE, "mac": interface.mac_address}
                for interface in machine.interfaces
            ]
        ).decode()
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {
                "generateName": f"virt-launcher-{name}-",
                "labels": {"kubevirt.io": "virt-launcher"},
                "annotations": {NETWORKS: networks},
                "ownerReferences": [_controller("VirtualMachineInstance", made.metadata)],
            },
            "spec": self._pod_spec,
        }
        launcher = msgspec.json.decode(await self._create(session, PODS, msgspec.json.encode(pod)), type=_Stored)
        if launcher.metadata.annotations[NETWORKS] != networks:
            message = f"The launcher pod of {name} asked for {networks} and got {launcher.metadata.annotations}."
            raise BenchError(message)

    async def _create(self, session: aiohttp.ClientSession, path: str, body: bytes) -> bytes:
        async with session.post(
            self._url + path, data=body, headers={"Content-Type": "application/json", "Accept": "application/json"}
        ) as answer:
            text = await answer.read()
            if answer.status != CREATED:
                message = f"POST {path} was answered {answer.status}: {text.decode(errors='replace')}"
                raise BenchError(message)
            return text

    def _each(self, job: Callable[[aiohttp.ClientSession, ItemT], Awaitable[None]], items: Iterable[ItemT]) -> None:
        """Do something with each, some at a time."""
        asyncio.run(self._together(job, items))

    async def _together(
        self, job: Callable[[aiohttp.ClientSession, ItemT], Awaitable[None]], items: Iterable[ItemT]
    ) -> None:
        left = iter(items)
        timeout = aiohttp.ClientTimeout(total=REQUEST_SECONDS)
        async with aiohttp.ClientSession(timeout=timeout, connector=aiohttp.TCPConnector(ssl=self._tls)) as session:

            async def client() -> None:
                for item in left:
                    await job(session, item)

            try:
                async with asyncio.TaskGroup() as tasks:
                    for _ in range(CLIENTS):
                        tasks.create_task(client())
            except* BenchError as failed:
                raise failed.exceptions[0] from None
            except* (aiohttp.ClientError, TimeoutError) as failed:
                message = f"the API server did not answer: {failed.exceptions[0]!r}"
                raise BenchError(message) from failed


def addresses(machines: Iterable[Machine]) -> dict[str, list[str]]:
    """By name, the address of every interface."""
    return {each.metadata.name: [interface.mac_address for interface in each.interfaces] for each in machines}


def _controller(kind: str, owner: _Metadata) -> dict[str, object]:
    reference = {"apiVersion": "kubevirt.io/v1", "kind": kind, "name": owner.name, "uid": owner.uid}
    return reference | {"controller": True, "blockOwnerDeletion": True}


class _Metadata(msgspec.Struct):
    name: str
    uid: str
    annotations: dict[str, str] = {}


class _Stored(msgspec.Struct):
    metadata: _Metadata


class _Interface(msgspec.Struct, rename="camel"):
    name: str
    mac_address: str


class _Devices(msgspec.Struct):
    interfaces: list[_Interface]


class _Domain(msgspec.Struct):
    devices: _Devices


class _InstanceSpec(msgspec.Struct):
    domain: _Domain


class _Template(msgspec.Struct):
    spec: msgspec.Raw


class _Spec(msgspec.Struct):
    template: _Template


class Machine(msgspec.Struct):
    """A stored VirtualMachine whose interfaces all have an address."""

    metadata: _Metadata
    spec: _Spec

    @property
    def interfaces(self) -> list[_Interface]:
        """Its interfaces."""
        return msgspec.json.decode(self.spec.template.spec, type=_InstanceSpec).domain.devices.interfaces


class _Continue(msgspec.Struct):
    next: str = msgspec.field(name="continue", default="")


class _Page(msgspec.Struct):
    metadata: _Continue
    items: list[Machine]


class _RawPage(msgspec.Struct):
    items: list[msgspec.Raw]


class _Launcher(msgspec.Struct):
    spec: msgspec.Raw
