"""What KubeVirt does in the simulated cluster: instances for machines that run, launcher pods for instances.

It asks again until a launcher pod is there, as the real controllers do, and removes what belongs to nobody any more.
"""

import asyncio
import random
from collections.abc import Iterator
from typing import Final

import msgspec
from tests.sim.api import ApiServer
from tests.sim.store import ApiError, Object, Selection
from tests.support.machine_manifests import controller_reference, instance, launcher_pod, machine, nic

PAUSE: Final = (0.2, 1.0)
"""Seconds between two looks, least and most."""

MACHINES: Final = "virtualmachines"
INSTANCES: Final = "virtualmachineinstances"
ALWAYS: Final = "Always"


class VirtController:
    """Plays virt-controller and the garbage collector for one namespace.

    Attributes:
        later: seconds between the webhook's answer and a launcher pod's being persisted.
    """

    def __init__(self, server: ApiServer, namespace: str, annotation: str, rng: random.Random) -> None:
        """Do nothing yet.

        Args:
            server: where everything is.
            namespace: of the machines.
            annotation: says how much later a pod is persisted.
            rng: decides when it looks.
        """
        self.later = 0.0
        self._server = server
        self._namespace = namespace
        self._annotation = annotation
        self._rng = rng
        self._creating: dict[str, asyncio.Task[None]] = {}
        self._migrating: set[str] = set()

    def path(self, plural: str, name: str = "") -> str:
        """Of a collection or an object."""
        api = "/api/v1" if plural == "pods" else "/apis/kubevirt.io/v1"
        return f"{api}/namespaces/{self._namespace}/{plural}" + (f"/{name}" if name else "")

    def names(self) -> list[str]:
        """Of the machines that there are."""
        return sorted(self._all(MACHINES))

    def manifest(self, name: str, wanted: list[str]) -> bytes:
        """A machine that runs, with an interface for each item: the address, or nothing for any."""
        nics = [nic(f"n{index}", mac) for index, mac in enumerate(wanted)]
        return msgspec.json.encode(machine(name, *nics, run_strategy=ALWAYS))

    def migrate(self, name: str) -> None:
        """Its instance gets another launcher pod, and then loses the first one."""
        self._migrating.add(name)

    def delete_instance(self, name: str) -> None:
        """At once, as with a grace period of nothing."""
        self._delete(INSTANCES, name)

    def unsettled(self) -> Iterator[str]:
        """Machines that should run, and do not."""
        instances = self._all(INSTANCES)
        for name, found in self._all(MACHINES).items():
            if found["spec"]["runStrategy"] == ALWAYS and not (name in instances and self._launchers(instances[name])):
                yield f"machine {name} does not run"
        for name in instances:
            if name not in self._all(MACHINES):
                yield f"instance {name} belongs to nobody"

    async def run(self) -> None:
        """Look, and do what is to be done, for ever."""
        while True:
            await asyncio.sleep(self._rng.uniform(*PAUSE))
            await self._look()

    async def _look(self) -> None:
        for name, found in self._all(MACHINES).items():
            if found["spec"]["runStrategy"] == ALWAYS and name not in self._all(INSTANCES):
                owned = {"namespace": self._namespace, "ownerReferences": [controller_reference(_known(found))]}
                made = instance(name, found["spec"]["template"]["spec"], owned)
                await self._server.create(self.path(INSTANCES), msgspec.json.encode(made))
        for name, found in self._all(INSTANCES).items():
            self._look_after(name, found)
        uids = {found["metadata"]["uid"] for found in self._all(INSTANCES).values()}
        for name, pod in self._all("pods").items():
            owners = pod["metadata"].get("ownerReferences", [])
            if owners and owners[0]["uid"] not in uids:
                self._delete("pods", name)

    def _look_after(self, name: str, found: Object) -> None:
        owner = self._all(MACHINES).get(name)
        is_owned = owner is not None and owner["metadata"]["uid"] == found["metadata"]["ownerReferences"][0]["uid"]
        if owner is None or not is_owned or owner["spec"]["runStrategy"] != ALWAYS:
            self._delete(INSTANCES, name)
            return
        launchers = self._launchers(found)
        wanted = 2 if name in self._migrating else 1
        if len(launchers) >= wanted:
            if wanted > 1:
                self._migrating.discard(name)
                self._delete("pods", min(launchers))
        elif found["metadata"]["uid"] not in self._creating:
            uid = found["metadata"]["uid"]
            creating = asyncio.get_running_loop().create_task(self._create_launcher(_known(found)))
            self._creating[uid] = creating
            creating.add_done_callback(lambda _: self._creating.pop(uid))

    async def _create_launcher(self, owner: Object) -> None:
        pod = launcher_pod(owner)
        pod["metadata"]["annotations"][self._annotation] = str(self.later)
        try:
            await self._server.create(self.path("pods"), msgspec.json.encode(pod))
        except ApiError:
            await asyncio.sleep(self._rng.uniform(*PAUSE))  # the next look asks again

    def _launchers(self, owner: Object) -> list[str]:
        return [
            name
            for name, pod in self._all("pods").items()
            if pod["status"]["phase"] == "Pending"
            and any(each["uid"] == owner["metadata"]["uid"] for each in pod["metadata"].get("ownerReferences", []))
        ]

    def _all(self, plural: str) -> dict[str, Object]:
        return {place.name: found for place, found in self._server.store.objects(Selection(plural, self._namespace))}

    def _delete(self, plural: str, name: str) -> None:
        try:
            self._server.delete(self.path(plural, name))
        except ApiError:
            return  # it has gone already


def _known(found: Object) -> Object:
    """The object with what makes it one of its kind."""
    return {"apiVersion": "kubevirt.io/v1", **found}
