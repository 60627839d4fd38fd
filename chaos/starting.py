"""Virtual machines of others that are started and stopped again and again, as virt-controller would do it."""

from __future__ import annotations

import asyncio
import random
import time
from typing import TYPE_CHECKING, Any, Final

import msgspec
from tests.support.cluster_client import NETWORKS

from chaos.causes import Failure
from chaos.cluster import CREATED, UnexpectedError
from chaos.deeds import GROUP, Document, instance, machine, networks, pod, reference

if TYPE_CHECKING:
    from tests.support.cluster_client import Reply

    from chaos.cluster import Cluster

NAMESPACE: Final = "machines"
COUNT: Final = 4
PAUSE_SECONDS: Final = 0.25
PATIENCE_SECONDS: Final = 40.0
"""For a launcher pod to be created: longer than any fault lasts, and than an address may be in doubt."""
_KUBEVIRT: Final = f"/apis/kubevirt.io/v1/namespaces/{NAMESPACE}"
_MACHINES: Final = f"{_KUBEVIRT}/virtualmachines"
_INSTANCES: Final = f"{_KUBEVIRT}/virtualmachineinstances"
_PODS: Final = f"/api/v1/namespaces/{NAMESPACE}/pods"
_NOT_FOUND: Final = 404


class _Machine:
    def __init__(self, name: str, uid: str, macs: list[str]) -> None:
        self.name = name
        self.uid = uid
        self.macs = macs


class Starter:
    """Machines that are stopped most of the time, while somebody writes their addresses everywhere."""

    def __init__(self, cluster: Cluster, seed: int) -> None:
        """Have no machine yet."""
        self.starts = 0
        """How often an instance and its launcher pod were created with the machine's addresses."""
        self.longest = 0.0
        """Seconds that the slowest launcher pod took."""
        self.stuck: list[str] = []
        """Machines whose launcher pod could not be created, however often that was tried."""
        self.failures: list[Failure] = []
        """To be judged like any create that fails."""
        self.untruths: list[str] = []
        self._cluster = cluster
        self._seed = seed
        self._machines: list[_Machine] = []
        self._over = asyncio.Event()

    def addresses(self) -> list[str]:
        """Those of all machines."""
        return [mac for each in self._machines for mac in each.macs]

    async def set_up(self) -> None:
        """Create the machines.

        Raises:
            UnexpectedError: one of them cannot be created.
        """
        await self._cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for index in range(COUNT):
            answer = await self._cluster.ask("POST", _MACHINES, machine(f"vm-{index}", ["", ""]))
            if answer.status != CREATED:
                message = f"VirtualMachine vm-{index} was answered with {answer.status}: {answer.message}"
                raise UnexpectedError(message)
            made = _document(answer)
            nics = made["spec"]["template"]["spec"]["domain"]["devices"]["interfaces"]
            macs = [str(nic["macAddress"]) for nic in nics]
            self._machines.append(_Machine(made["metadata"]["name"], made["metadata"]["uid"], macs))

    async def run(self) -> None:
        """Start one after the other, and stop it, until `end` is called."""
        chance = random.Random(f"{self._seed}/machines")  # noqa: S311 (to be replayed, not to be secret)
        while not self._over.is_set():
            subject = chance.choice(self._machines)
            if await self._clear(subject):
                await self._start(subject)
            await asyncio.sleep(chance.uniform(0.5, 1.5) * PAUSE_SECONDS)
            await self._clear(subject)

    def end(self) -> None:
        """Start nothing more."""
        self._over.set()

    async def tear_down(self) -> None:
        """Nothing is left of the machines."""
        for path in (_PODS, _INSTANCES, _MACHINES):
            await self._cluster.ask("DELETE", f"{path}?gracePeriodSeconds=0")

    async def stir(self) -> None:
        """Have something happen to machines, instances and migrations, so that every watch has something to tell."""
        moving = {
            "apiVersion": GROUP,
            "kind": "VirtualMachineInstanceMigration",
            "metadata": {"name": "stir"},
            "spec": {"vmiName": "nobody"},
        }
        for path, manifest in (
            (_MACHINES, machine("stir", [])),
            (_INSTANCES, instance("stir", [])),
            (f"{_KUBEVIRT}/virtualmachineinstancemigrations", moving),
        ):
            await self._cluster.ask("POST", path, manifest)
            await self._cluster.ask("DELETE", f"{path}/stir")

    async def _start(self, subject: _Machine) -> None:
        owners = [reference("VirtualMachine", subject.name, subject.uid)]
        made = await self._create(_INSTANCES, instance(subject.name, subject.macs, owners), subject.macs)
        if made is None:
            return
        owners = [reference("VirtualMachineInstance", subject.name, made["metadata"]["uid"])]
        launcher = pod("", networks(subject.macs), owners=owners)
        launcher["metadata"] |= {"generateName": f"virt-launcher-{subject.name}-", "name": None}
        launcher["metadata"]["labels"] = {"kubevirt.io": "virt-launcher"}
        begun = time.monotonic()
        while (started := await self._create(_PODS, launcher, subject.macs)) is None:
            if time.monotonic() - begun > PATIENCE_SECONDS:
                self.stuck.append(f"VirtualMachine {NAMESPACE}/{subject.name}")
                return
            await asyncio.sleep(PAUSE_SECONDS)  # virt-controller tries again
        self.longest = max(self.longest, time.monotonic() - begun)
        self.starts += 1
        given = [each.get("mac") for each in msgspec.json.decode(started["metadata"]["annotations"][NETWORKS])]
        if given != subject.macs:
            self.untruths.append(f"VirtualMachine {NAMESPACE}/{subject.name} was started with {given}: {subject.macs}")

    async def _create(self, path: str, manifest: Document, macs: list[str]) -> dict[str, Any] | None:
        about = manifest["metadata"]
        title = f"{manifest['kind']} {NAMESPACE}/{about['name'] or about['generateName'] + '*'}"
        answer = await self._cluster.ask("POST", path, manifest)
        if answer.status == CREATED:
            return _document(answer)
        asked = next((mac for mac in macs if mac in answer.message), macs[0])
        self.failures.append(Failure(title, answer.sent, answer.answered, answer.status, answer.message, asked))
        return None

    async def _clear(self, subject: _Machine) -> bool:
        """Stop a machine; tells whether nothing of a start is left."""
        await self._cluster.ask("DELETE", f"{_PODS}?gracePeriodSeconds=0")
        await self._cluster.ask("DELETE", f"{_INSTANCES}/{subject.name}")
        answer = await self._cluster.ask("GET", f"{_INSTANCES}/{subject.name}")
        return answer.status == _NOT_FOUND


def _document(answer: Reply) -> dict[str, Any]:
    return msgspec.json.decode(answer.body, type=dict[str, Any])
