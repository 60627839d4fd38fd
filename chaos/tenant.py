"""The hostile tenant: does whatever a tenant may do, at random and all the time."""

from __future__ import annotations

import asyncio
import time
from collections import Counter, OrderedDict
from contextlib import suppress
from typing import TYPE_CHECKING, Final, NamedTuple

import msgspec
from tests.support.cluster_client import NETWORKS

from chaos.calling import Caller
from chaos.cluster import PodRecord, UnexpectedError, addresses_of
from chaos.deeds import (
    CALLS,
    FINALIZER,
    MOST_NETWORKS,
    NETWORK_STATUS,
    PARTNERS,
    REQUESTS,
    SHARED,
    Deed,
    Document,
    domain,
    drawn,
    instance,
    interfaces,
    likely,
    machine,
    monstrous,
    networks,
    pod,
    reference,
    review,
)

if TYPE_CHECKING:
    import random
    from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence

    from tests.support.cluster_client import Reply

    from chaos.auditing import Auditor
    from chaos.claims import Claims
    from chaos.cluster import Cluster

OWN: Final = "tenant"
FULL: Final = "tenant-full"
SHARING: Final = "tenant-sharing"
NAMESPACES: Final = (OWN, FULL, SHARING)
"""Where the tenant may do things: an ordinary namespace, one whose quota is used up, and one where an administrator has
set the conflict policy to `warn`, since its pods are to share addresses."""

USER: Final = "tenant"
REQUESTERS: Final = 3
CALLERS: Final = 3
PAUSE_SECONDS: Final = 0.05
"""Between two deeds of one worker, on average."""
MOST_OBJECTS: Final = 150
"""Of one kind; the oldest go."""
WALL: Final = 64
HELD_SECONDS: Final = 6.0
SILENT_AT_ONCE: Final = 20
MERGE: Final = {"Content-Type": "application/merge-patch+json"}
PODS: Final = "pods"
MACHINES: Final = "virtualmachines"
INSTANCES: Final = "virtualmachineinstances"
_KINDS: Final = {PODS: "Pod", MACHINES: "VirtualMachine", INSTANCES: "VirtualMachineInstance"}
_CREATED: Final = 201
_OK: Final = 200


class _Made(NamedTuple):
    namespace: str
    name: str
    uid: str


class Tenant:
    """What one user does who may create, edit and delete pods and virtual machines in namespaces of their own.

    Args:
        cluster: the API server.
        auditor: told which pods run, and asked what others carry.
        claims: told of every object, so that a refusal which names it can be checked.
        urls: where the replicas' webhooks are reached.
        prey: the addresses of others' machines.
        source: the address from which replicas are called.
    """

    def __init__(
        self,
        cluster: Cluster,
        auditor: Auditor,
        claims: Claims,
        urls: Callable[[], list[str]],
        prey: Callable[[], list[str]],
        source: str,
    ) -> None:
        self.counts: Counter[str] = Counter()
        """Deeds done."""
        self.answers: Counter[int] = Counter()
        """What the API server said to them, by status."""
        self._cluster = cluster
        self._auditor = auditor
        self._claims = claims
        self._urls = urls
        self._prey = prey
        self._caller = Caller(source)
        self._made: Mapping[str, OrderedDict[str, _Made]] = {kind: OrderedDict() for kind in _KINDS}
        self._interfaces: dict[str, dict[str, None]] = {}
        self._number = 0
        self._over = asyncio.Event()
        self._deeds: dict[Deed, Callable[[random.Random], Awaitable[None]]] = {
            Deed.WIDE: self._wide,
            Deed.QUOTA: self._quota,
            Deed.CREATE: self._create_with_others,
            Deed.ANNOTATE: self._annotate,
            Deed.EMPTY: self._empty,
            Deed.OWNERS: self._owners,
            Deed.INSTANCE: self._instance,
            Deed.LAUNCHER: self._launcher,
            Deed.DELETING: self._deleting,
            Deed.PAIRS: self._pairs,
            Deed.SHARE: self._share,
            Deed.DEEP: self._deep,
            Deed.FORGED: self._forged,
            Deed.SILENT: self._silent,
            Deed.UNFINISHED: self._unfinished,
        }

    async def move_in(self) -> None:
        """As the administrator: the namespaces, and what the tenant may do in them.

        Raises:
            UnexpectedError: something cannot be made.
        """
        for name in NAMESPACES:
            about: Document = {"name": name}
            if name == SHARING:
                about["annotations"] = {"kubemacpool.io/conflict-policy": "warn"}
            await self._admin("POST", "/api/v1/namespaces", {"metadata": about})
            await self._admin("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/roles", _role())
            await self._admin("POST", f"/apis/rbac.authorization.k8s.io/v1/namespaces/{name}/rolebindings", _binding())
        quotas = f"/api/v1/namespaces/{FULL}/resourcequotas"
        await self._admin("POST", quotas, {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}})
        # There is no controller here that would write it.
        status = {"status": {"hard": {"pods": "0"}, "used": {"pods": "0"}}}
        await self._admin("PATCH", f"{quotas}/none/status", status)

    async def run(self, seed: int) -> None:
        """Go on until `end` is called."""
        async with asyncio.TaskGroup() as workers:
            for worker in range(REQUESTERS):
                workers.create_task(self._work(seed, worker, REQUESTS))
            for worker in range(CALLERS):
                workers.create_task(self._work(seed, REQUESTERS + worker, CALLS))

    def end(self) -> None:
        """Do nothing more."""
        self._over.set()

    async def move_out(self) -> None:
        """As the administrator: nothing of the tenant is left."""
        for namespace in NAMESPACES:
            for kind in _KINDS:
                if kind == MACHINES:
                    for name in [each.name for each in self._made[kind].values() if each.namespace == namespace]:
                        path = _path(namespace, kind, name)
                        await self._cluster.ask("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
                await self._cluster.ask("DELETE", f"{_path(namespace, kind)}?gracePeriodSeconds=0")

    # How it works

    async def _work(self, seed: int, worker: int, deeds: Sequence[Deed]) -> None:
        for deed, chance in drawn(seed, worker, deeds):
            with suppress(TimeoutError):
                await asyncio.wait_for(self._over.wait(), chance.uniform(0, 2 * PAUSE_SECONDS))
            if self._over.is_set():
                return
            await self._deeds[deed](chance)
            self.counts[deed.name.lower()] += 1

    async def _ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] | None = None
    ) -> Reply:
        """As the tenant."""
        impersonated = {"Impersonate-User": USER, "Impersonate-Group": "system:authenticated"}
        answer = await self._cluster.ask(method, path, body, impersonated | dict(headers or {}))
        self.answers[answer.status] += 1
        return answer

    async def _admin(self, method: str, path: str, body: object) -> None:
        answer = await self._cluster.ask(method, path, body, MERGE if method == "PATCH" else None)
        if answer.status not in {_OK, _CREATED}:
            message = f"{method} {path} was answered with {answer.status}: {answer.message}"
            raise UnexpectedError(message)

    async def _make(
        self, kind: str, manifest: Document, namespace: str = OWN, *, running: bool = False
    ) -> _Made | None:
        """Create an object, and remember it if that worked."""
        title = f"{_KINDS[kind]} {namespace}/{manifest['metadata']['name']}"
        claim = self._claims.begin(title, time.monotonic())
        answer = await self._ask("POST", _path(namespace, kind), manifest)
        if answer.status != _CREATED:
            claim.ended = answer.answered
            return None
        about = msgspec.json.decode(answer.body, type=PodRecord).metadata
        made = _Made(namespace, about.name, about.uid)
        self._made[kind][about.uid] = made
        if running:
            await self._plug(made, addresses_of(about.annotations.get(NETWORKS, "")))
        while len(self._made[kind]) > MOST_OBJECTS:
            await self._remove_oldest(kind)
        return made

    async def _plug(self, pod: _Made, addresses: Iterable[str]) -> None:
        """What a kubelet, and Multus or who plugs into running pods, would say of a pod of ours; a tenant cannot."""
        self._interfaces.setdefault(pod.uid, {}).update(dict.fromkeys(addresses))
        reported = {NETWORK_STATUS: interfaces(self._interfaces[pod.uid])}
        path = f"{_path(pod.namespace, PODS, pod.name)}/status"
        told = await self._cluster.ask(
            "PATCH", path, {"metadata": {"annotations": reported}, "status": {"phase": "Running"}}, MERGE
        )
        if told.status == _OK:
            version = msgspec.json.decode(told.body, type=PodRecord).resource_version
            self._auditor.plug(pod.uid, self._interfaces[pod.uid], version)

    async def _remove_oldest(self, kind: str) -> None:
        _, oldest = self._made[kind].popitem(last=False)
        self._interfaces.pop(oldest.uid, None)
        path = _path(oldest.namespace, kind, oldest.name)
        if kind == MACHINES:
            await self._ask("PATCH", path, {"metadata": {"finalizers": None}}, MERGE)
        await self._ask("DELETE", f"{path}?gracePeriodSeconds=0")

    def _name(self) -> str:
        self._number += 1
        return f"evil-{self._number}"

    def _others(self, chance: random.Random, count: int = 1) -> list[str]:
        """Addresses of others: of machines that may be stopped, and of pods."""
        prey = self._prey()
        taken = [address for carrier in list(self._auditor.live.values())[-PARTNERS:] for address in carrier.addresses]
        return chance.sample([*prey, *taken], min(count, len(prey) + len(taken)))

    def _any(self, chance: random.Random, kind: str, namespace: str = OWN) -> _Made | None:
        there = [each for each in self._made[kind].values() if each.namespace == namespace]
        return chance.choice(there) if there else None

    async def _write(self, of: _Made, annotation: str | None, *, plugged: bool = False) -> None:
        """As `kubectl annotate --overwrite` does; what is let through may be plugged in, if the pod runs."""
        body = {"metadata": {"annotations": {NETWORKS: annotation}}}
        answer = await self._ask("PATCH", _path(of.namespace, PODS, of.name), body, MERGE)
        if plugged and answer.status == _OK and of.uid in self._interfaces:
            about = msgspec.json.decode(answer.body, type=PodRecord).metadata
            await self._plug(of, addresses_of(about.annotations.get(NETWORKS, "")))

    # Deeds

    async def _wide(self, chance: random.Random) -> None:
        count = chance.choice([MOST_NETWORKS, MOST_NETWORKS, MOST_NETWORKS + 1, 8_000])
        await self._make(PODS, pod(self._name(), networks([None] * count), container="Not_A_Name"))

    async def _quota(self, chance: random.Random) -> None:
        macs = [
            f"0e:{chance.getrandbits(8):02x}:{index >> 8:02x}:{index & 255:02x}:00:01" for index in range(MOST_NETWORKS)
        ]
        await self._make(PODS, pod(self._name(), networks(chance.choice([macs, [None] * MOST_NETWORKS]))), FULL)

    async def _create_with_others(self, chance: random.Random) -> None:
        macs = [None, *self._others(chance, chance.randint(1, PARTNERS))][chance.randint(0, 1) :]
        if await self._make(PODS, pod(self._name(), networks(macs)), running=True) is None:
            await self._make(PODS, pod(self._name(), networks([None, None])), running=True)

    async def _annotate(self, chance: random.Random) -> None:
        mine = self._any(chance, PODS)
        if mine is not None:
            macs = [*self._others(chance, chance.randint(0, PARTNERS)), None]
            await self._write(mine, networks(macs), plugged=likely(chance))

    async def _empty(self, chance: random.Random) -> None:
        mine = self._any(chance, PODS)
        if mine is not None:
            await self._write(mine, chance.choice([None, "", "[]", "null", "{", "net-a,net-b", networks([None])]))

    async def _owners(self, chance: random.Random) -> None:
        kind = chance.choice([PODS, INSTANCES, MACHINES])
        mine = self._any(chance, kind)
        owner_kind = chance.choice([PODS, INSTANCES, MACHINES])
        owner = self._any(chance, owner_kind)
        if mine is None:
            return
        name, uid = (owner.name, owner.uid) if owner is not None else ("nobody", "00000000")
        references = chance.choice(
            [
                None,
                [],
                [reference(_KINDS[owner_kind], name, uid)],
                [reference(_KINDS[owner_kind], name, uid, controller=False)],
                [reference(_KINDS[kind], mine.name, mine.uid)],
                [reference("VirtualMachine", "vm-0", f"{chance.getrandbits(64):x}")],
                [reference("VirtualMachineInstance", name, f"{chance.getrandbits(64):x}")],
            ]
        )
        body = {"metadata": {"ownerReferences": references}}
        await self._ask("PATCH", _path(mine.namespace, kind, mine.name), body, MERGE)

    async def _instance(self, chance: random.Random) -> None:
        owner = self._any(chance, MACHINES)
        name, owners = self._name(), []
        if owner is not None and likely(chance):
            name, owners = owner.name, [reference("VirtualMachine", owner.name, owner.uid)]
        await self._make(INSTANCES, instance(name, self._others(chance), owners))
        await self._make(INSTANCES, instance(self._name(), [""]))

    async def _launcher(self, chance: random.Random) -> None:
        owner = self._any(chance, INSTANCES)
        if owner is not None:
            owners = [reference("VirtualMachineInstance", owner.name, owner.uid)]
            await self._make(PODS, pod(self._name(), networks(self._others(chance)), owners=owners), running=True)

    async def _deleting(self, chance: random.Random) -> None:
        made = await self._make(MACHINES, machine(self._name(), ["", ""], [FINALIZER]))
        if made is not None:
            path = _path(made.namespace, MACHINES, made.name)
            await self._ask("DELETE", path)
            stolen = {"spec": {"template": {"spec": domain(self._others(chance, 2))}}}
            await self._ask("PATCH", path, stolen, MERGE)

    async def _pairs(self, chance: random.Random) -> None:
        first = chance.randrange(len(SHARED) - WALL)
        wall = networks(SHARED[first : first + WALL])
        for _ in range(2):
            mine = self._any(chance, PODS, SHARING)
            if mine is None or likely(chance, 0.3):
                await self._make(PODS, pod(self._name(), wall), SHARING, running=True)
            else:
                await self._write(mine, wall)

    async def _share(self, chance: random.Random) -> None:
        address = SHARED[-1 - chance.randrange(2)]
        await self._make(PODS, pod(self._name(), networks([address])), SHARING, running=True)

    async def _deep(self, chance: random.Random) -> None:
        mine = self._any(chance, PODS)
        if mine is not None and likely(chance):
            await self._write(mine, monstrous(chance))
        else:
            await self._make(PODS, pod(self._name(), monstrous(chance)))

    async def _forged(self, chance: random.Random) -> None:
        """For the tenant's own namespace: whose a review is, only the API server's certificate could tell."""
        urls = self._urls()
        if urls:
            macs = self._others(chance, PARTNERS)
            body = chance.choice([review(chance, OWN, macs, dry_run=likely(chance, 0.9)), b"{", b"[" * 50_000])
            await self._caller.ask(chance.choice(urls), body, forwarded=likely(chance))

    async def _silent(self, chance: random.Random) -> None:
        urls = self._urls()
        if urls:
            seconds = chance.uniform(0.5, 1.0) * HELD_SECONDS
            await self._caller.silent(urls, SILENT_AT_ONCE, seconds, handshake=likely(chance))

    async def _unfinished(self, chance: random.Random) -> None:
        urls = self._urls()
        if urls:
            await self._caller.unfinished(chance.choice(urls), chance.uniform(0.1, 1.0) * HELD_SECONDS)


def _path(namespace: str, kind: str, name: str = "") -> str:
    group = "/api/v1" if kind == PODS else "/apis/kubevirt.io/v1"
    return f"{group}/namespaces/{namespace}/{kind}" + (f"/{name}" if name else "")


def _role() -> Document:
    """What the ClusterRole `edit` has of these; here is no controller that would fill that one in."""
    verbs = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection"]
    return {
        "metadata": {"name": "edit-pods-and-machines"},
        "rules": [
            {"apiGroups": [""], "resources": [PODS], "verbs": verbs},
            {"apiGroups": ["kubevirt.io"], "resources": [MACHINES, INSTANCES], "verbs": verbs},
        ],
    }


def _binding() -> Document:
    group = "rbac.authorization.k8s.io"
    return {
        "metadata": {"name": "tenant"},
        "roleRef": {"apiGroup": group, "kind": "Role", "name": "edit-pods-and-machines"},
        "subjects": [{"apiGroup": group, "kind": "User", "name": USER}],
    }
