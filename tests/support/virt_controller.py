"""Plays virt-controller: what it does with the objects of some namespaces, as far as addresses are concerned.

It looks again and again at all there is and does the next step of everything (level-based, as the real one):

- A VirtualMachine that is to run (`runStrategy` Always, or `running: true`) gets an instance of its name, with its
  template's spec, owned by it; one that is to stop loses it. WaitAsReceiver is to run, once a migration is to be
  received for it. An instance without a controller is adopted by the machine of its name.
- Interfaces that are added to the template are added to the running instance (hotplug); those that are `absent` there
  are taken from the instance, and then from the template (unplug).
- An instance gets a launcher pod, and runs when that does. It ends when its last pod does.
- A machine that is being deleted takes its instance along first, unless its dependents are orphaned.
- A migration within the namespace gets a second launcher pod and then is Running until somebody calls `end_migration`.
  So is each side of a migration to another namespace.

It plays the garbage collector for machines too, since the real one needs up to half a minute to hear of new kinds.
"""

from __future__ import annotations

import asyncio
import contextlib
from typing import TYPE_CHECKING, Final, NamedTuple, Self

from tests.support.cluster_client import MERGE, NETWORKS
from tests.support.machine_manifests import (
    INSTANCE_FINALIZER,
    Document,
    controller_reference,
    instance,
    launcher_networks,
    launcher_pod,
    network_status,
)
from tests.support.machines import (
    INSTANCES,
    LAUNCHERS,
    MACHINES,
    MIGRATIONS,
    PODS,
    Machines,
    Plural,
    collection,
    phase_of,
    uid_of,
)

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient, Reply

NETWORK_STATUS: Final = "k8s.v1.cni.cncf.io/network-status"
MACHINE_FINALIZER: Final = "kubevirt.io/virtualMachineControllerFinalize"
MIGRATION_LABEL: Final = "kubevirt.io/migrationJobUID"
PAUSE_SECONDS: Final = 0.05
"""Between two looks."""

ENDED: Final = frozenset({"Succeeded", "Failed"})
RUNNING: Final = frozenset({"Always", "RerunOnFailure"})
OVERTAKEN: Final = frozenset({403, 404, 409})
"""Answers after which the next look decides again: somebody else was faster, or a quota or webhook says no."""


class _World(NamedTuple):
    """What there is in one namespace at one look."""

    namespace: str
    instances: dict[str, Document]
    pods: dict[str, list[Document]]  # by the uid of their instance
    migrations: list[Document]

    def pods_of(self, owner: Document) -> list[Document]:
        return self.pods.get(uid_of(owner), [])


class VirtController:
    """An async context: it acts until it is left. What goes wrong in it is raised then.

    Attributes:
        refusals: why launcher pods could not be created, by namespace/name of the instance; the last word only.
    """

    def __init__(self, cluster: ClusterClient, *namespaces: str) -> None:
        """Look after these namespaces; `follow` adds others."""
        self.refusals: dict[str, str] = {}
        self._cluster = cluster
        self._namespaces = list(namespaces)
        self._over = asyncio.Event()
        self._acting: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._acting = asyncio.create_task(self._act())
        return self

    async def __aexit__(self, *_: object) -> None:
        self._over.set()
        if self._acting is not None:
            await self._acting

    def follow(self, namespace: str) -> None:
        """Look after this namespace too."""
        self._namespaces.append(namespace)

    async def end_migration(self, namespace: str, name: str, phase: str = "Succeeded") -> None:
        """End a migration that is Running: the instance's source pod ends with it, or else its target pod.

        Of a migration to another namespace this is one side. The source's instance ends when it succeeded.
        """
        machines = Machines(self._cluster, namespace)
        ending = await machines.get(name, MIGRATIONS)
        owner = await machines.get(ending["spec"]["vmiName"], INSTANCES)
        pods = await machines.launchers(ending["spec"]["vmiName"])
        targets = [pod for pod in pods if pod["metadata"]["labels"].get(MIGRATION_LABEL) == uid_of(ending)]
        sources = [pod for pod in pods if pod not in targets]
        receives = "receive" in ending["spec"]
        if not receives:
            for pod in sources if phase == "Succeeded" else targets:
                await self._status(namespace, PODS, pod, {"phase": "Succeeded"})
        if phase == "Succeeded" and "sendTo" in ending["spec"]:
            # The machine is somewhere else now: here it is not to run any more.
            await self._patch(namespace, MACHINES, owner, {"spec": {"runStrategy": "Halted"}}, version=False)
            await self._status(namespace, INSTANCES, owner, {"phase": "Succeeded"})
        await self._status(namespace, MIGRATIONS, ending, {"phase": phase})

    async def _act(self) -> None:
        while not self._over.is_set():
            for namespace in list(self._namespaces):
                await self._look(namespace)
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(PAUSE_SECONDS):
                    await self._over.wait()

    async def _look(self, namespace: str) -> None:
        there = Machines(self._cluster, namespace)
        # What belongs to others is read before them: nothing that a machine lacks is there unseen.
        machines = await there.all(MACHINES)
        migrations = await there.all(MIGRATIONS)
        instances = await there.all(INSTANCES)
        pods: dict[str, list[Document]] = {}
        for pod in await there.all(PODS, LAUNCHERS):
            for reference in pod["metadata"].get("ownerReferences", []):
                pods.setdefault(reference["uid"], []).append(pod)
        world = _World(namespace, {each["metadata"]["name"]: each for each in instances}, pods, migrations)
        for machine in machines:
            await self._machine(world, machine)
        for each in instances:
            await self._instance(world, each)
        for each in migrations:
            await self._migration(world, each)

    # Machines

    async def _machine(self, world: _World, machine: Document) -> None:
        about = machine["metadata"]
        found = world.instances.get(about["name"])
        mine = found if found is not None and _controller(found) == uid_of(machine) else None
        if about.get("deletionTimestamp"):
            await self._deleted_machine(world.namespace, machine, mine)
        elif MACHINE_FINALIZER not in about.get("finalizers", []):
            finalizers = [*about.get("finalizers", []), MACHINE_FINALIZER]
            await self._patch(world.namespace, MACHINES, machine, {"metadata": {"finalizers": finalizers}})
        elif found is not None and not _controller(found):
            adopted = {"metadata": {"ownerReferences": [controller_reference(machine)]}}
            await self._patch(world.namespace, INSTANCES, found, adopted)
        elif not _is_to_run(machine, world.migrations):
            if mine is not None and not mine["metadata"].get("deletionTimestamp"):
                await self._delete(world.namespace, INSTANCES, mine)
        elif found is None:
            template = machine["spec"]["template"]["spec"]
            about = {"ownerReferences": [controller_reference(machine)]}
            await self._create(world.namespace, INSTANCES, instance(machine["metadata"]["name"], template, about))
        elif mine is not None and phase_of(mine) in ENDED:
            await self._delete(world.namespace, INSTANCES, mine)
        elif mine is not None:
            await self._plug(world.namespace, machine, mine)

    async def _deleted_machine(self, namespace: str, machine: Document, mine: Document | None) -> None:
        finalizers: list[str] = machine["metadata"].get("finalizers", [])
        if "orphan" in finalizers and mine is not None:
            await self._patch(namespace, INSTANCES, mine, {"metadata": {"ownerReferences": None}})
        elif mine is None:
            done = {MACHINE_FINALIZER, "orphan", "foregroundDeletion"}
            left = [each for each in finalizers if each not in done]
            await self._patch(namespace, MACHINES, machine, {"metadata": {"finalizers": left}})
        elif not mine["metadata"].get("deletionTimestamp"):
            await self._delete(namespace, INSTANCES, mine)

    async def _plug(self, namespace: str, machine: Document, mine: Document) -> None:
        """Bring the interfaces of a running instance to what its machine's template says."""
        template, spec = machine["spec"]["template"]["spec"], mine["spec"]
        wanted = {each["name"]: each for each in template["domain"]["devices"]["interfaces"]}
        there = {each["name"]: each for each in spec["domain"]["devices"]["interfaces"]}
        absent = {name for name, each in wanted.items() if each.get("state") == "absent"}
        added = [each for name, each in wanted.items() if name not in there and name not in absent]
        kept = [each for name, each in there.items() if name not in absent]
        if added or len(kept) < len(there):
            networks = {each["name"]: each for each in (*spec["networks"], *template["networks"])}
            nics = [*kept, *added]
            await self._interfaces(namespace, INSTANCES, mine, nics, [networks[each["name"]] for each in nics])
        elif absent:  # they are gone from the instance
            left = [each for name, each in wanted.items() if name not in absent]
            networks_left = [each for each in template["networks"] if each["name"] not in absent]
            await self._interfaces(namespace, MACHINES, machine, left, networks_left)

    async def _interfaces(
        self, namespace: str, plural: Plural, changed: Document, nics: list[Document], networks: list[Document]
    ) -> None:
        spec: Document = {"domain": {"devices": {"interfaces": nics}}, "networks": networks}
        body = {"spec": {"template": {"spec": spec}} if plural == MACHINES else spec}
        await self._patch(namespace, plural, changed, body)

    # Instances

    async def _instance(self, world: _World, owner: Document) -> None:
        pods = world.pods_of(owner)
        living = [pod for pod in pods if phase_of(pod) not in ENDED]
        if owner["metadata"].get("deletionTimestamp"):
            await self._deleted_instance(world.namespace, owner, pods)
        elif phase_of(owner) in ENDED:
            return
        elif not pods:
            await self._launch(world.namespace, owner, {})
        elif not living:
            await self._status(world.namespace, INSTANCES, owner, {"phase": "Succeeded"})
        elif phase_of(owner) != "Running":
            phase = "Running" if any(phase_of(pod) == "Running" for pod in living) else "Scheduling"
            if phase != phase_of(owner):
                await self._status(world.namespace, INSTANCES, owner, {"phase": phase})
        else:
            for pod in living:
                await self._replug(world.namespace, owner, pod)

    async def _deleted_instance(self, namespace: str, owner: Document, pods: list[Document]) -> None:
        for pod in pods:
            if not pod["metadata"].get("deletionTimestamp"):
                await self._delete(namespace, PODS, pod)
        if not pods:
            left = [each for each in owner["metadata"].get("finalizers", []) if each != INSTANCE_FINALIZER]
            await self._patch(namespace, INSTANCES, owner, {"metadata": {"finalizers": left}})

    async def _launch(self, namespace: str, owner: Document, labels: dict[str, str]) -> None:
        reply = await self._create(namespace, PODS, launcher_pod(owner, labels))
        if not reply.created:
            self.refusals[f"{namespace}/{owner['metadata']['name']}"] = reply.message

    async def _replug(self, namespace: str, owner: Document, pod: Document) -> None:
        """The pod's annotation follows the instance's interfaces: by it Multus plugs and unplugs, and reports that."""
        networks = launcher_networks(owner) or "[]"
        annotations = pod["metadata"].get("annotations", {})
        status = network_status(networks)
        if annotations.get(NETWORKS, "[]") != networks:
            await self._patch(namespace, PODS, pod, {"metadata": {"annotations": {NETWORKS: networks}}})
        elif annotations.get(NETWORK_STATUS, "[]") != status:
            await self._patch(namespace, PODS, pod, {"metadata": {"annotations": {NETWORK_STATUS: status}}})

    # Migrations

    async def _migration(self, world: _World, moving: Document) -> None:
        owner = world.instances.get(moving["spec"]["vmiName"])
        if owner is None or phase_of(moving) in {"Running", *ENDED} or phase_of(owner) != "Running":
            return
        targets = [
            pod for pod in world.pods_of(owner) if pod["metadata"]["labels"].get(MIGRATION_LABEL) == uid_of(moving)
        ]
        if "sendTo" in moving["spec"] or "receive" in moving["spec"]:
            await self._status(world.namespace, MIGRATIONS, moving, {"phase": "Running"})
        elif not targets:
            await self._launch(world.namespace, owner, {MIGRATION_LABEL: uid_of(moving)})
        elif phase_of(targets[0]) == "Running":
            await self._status(world.namespace, MIGRATIONS, moving, {"phase": "Running"})

    # Writing

    async def _create(self, namespace: str, plural: Plural, manifest: Document) -> Reply:
        return self._checked(await self._cluster.request("POST", collection(namespace, plural), manifest))

    async def _delete(self, namespace: str, plural: Plural, found: Document) -> None:
        body = {"preconditions": {"uid": uid_of(found)}}
        self._checked(await self._cluster.request("DELETE", _path(namespace, plural, found), body))

    async def _status(self, namespace: str, plural: Plural, found: Document, status: Document) -> None:
        path = f"{_path(namespace, plural, found)}/status"
        self._checked(await self._cluster.request("PATCH", path, {"status": status}, content_type=MERGE))

    async def _patch(
        self, namespace: str, plural: Plural, found: Document, body: Document, *, version: bool = True
    ) -> None:
        """Merge into an object, if it is still as it was seen (`version`)."""
        if version:
            seen = {"resourceVersion": found["metadata"]["resourceVersion"]}
            body = body | {"metadata": body.get("metadata", {}) | seen}
        path = _path(namespace, plural, found)
        self._checked(await self._cluster.request("PATCH", path, body, content_type=MERGE))

    @staticmethod
    def _checked(reply: Reply) -> Reply:
        assert reply.status in {200, 201, 202, *OVERTAKEN}, reply.body
        return reply


def _path(namespace: str, plural: Plural, found: Document) -> str:
    return f"{collection(namespace, plural)}/{found['metadata']['name']}"


def _controller(found: Document) -> str:
    """The uid of an object's controller; empty where it has none."""
    references: list[Document] = found["metadata"].get("ownerReferences", [])
    return next((str(each["uid"]) for each in references if each.get("controller")), "")


def _is_to_run(machine: Document, migrations: list[Document]) -> bool:
    spec = machine["spec"]
    if spec.get("runStrategy") == "WaitAsReceiver":
        name = machine["metadata"]["name"]
        return any("receive" in each["spec"] and each["spec"]["vmiName"] == name for each in migrations)
    return bool(spec.get("running")) or spec.get("runStrategy") in RUNNING
