"""Everything of a cluster that the ledger is derived from, read once, and told to the same core that decides."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Final

import msgspec

from kubemacpool.cli.cluster.connection import Cluster, Json
from kubemacpool.cli.cluster.selectors import matches
from kubemacpool.cli.pool.desk import Desk
from kubemacpool.cli.pool.ranges import SHIPPED
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party
from kubemacpool.core.pool import Pool
from kubemacpool.follow.migrations import MigrationFollower
from kubemacpool.kube.reads import GroupDiscovery
from kubemacpool.kube.resource import Resource
from kubemacpool.ports import NotFoundError, RefusedError, ResourceExpiredError
from kubemacpool.settings import Settings
from kubemacpool.wire.config import (
    RANGE_CONFIG_MAP,
    ConflictPolicy,
    RangeError,
    decode_namespace,
    parse_namespace_limit,
    parse_pool,
)
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord, decode_lease
from kubemacpool.wire.listing import read_page
from kubemacpool.wire.migrations import decode_migration
from kubemacpool.wire.objects import KUBEVIRT, UnreadableObjectError

PAGE: Final = 500
"""Objects: what kubectl asks for at a time."""

PODS: Final = Resource(
    "/api/v1/pods", field_selector="status.phase!=Succeeded,status.phase!=Failed", metadata_only=True
)
PLURALS: Final = {POD: "pods", VIRTUAL_MACHINE: "virtualmachines", VIRTUAL_MACHINE_INSTANCE: "virtualmachineinstances"}
MIGRATIONS: Final = "virtualmachineinstancemigrations"

CONFIGURATION: Final = "kubemacpool-mutator"
_CONFIGURATIONS: Final = "/apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations"
DEPLOYMENT: Final = "kubemacpool-mac-controller-manager"
WEBHOOKS: Final = {
    POD: "mutatepods.kubemacpool.io",
    VIRTUAL_MACHINE: "mutatevirtualmachines.kubemacpool.io",
    VIRTUAL_MACHINE_INSTANCE: "mutatevirtualmachineinstances.kubemacpool.io",
}

Tell = Callable[[str, int], None]
"""Hears how many objects of a kind have been read by now."""


class _Meta(msgspec.Struct, gc=False, rename="camel"):
    creation_timestamp: str = ""


class _Object(msgspec.Struct, gc=False):
    metadata: _Meta


_objects: Final = msgspec.json.Decoder(_Object)


@dataclass(eq=False)
class Survey:
    """What was read.

    Attributes:
        desk: the ledger, and the admissions on it.
        range_fault: why the pool in force is not known, so that the release's stands in for it; or empty.
        cluster_uid: of the cluster.
        created: when objects with addresses were created.
        namespaces: their labels.
        webhooks: of our configuration, by name.
        configuration: the whole of it; None where there is none.
        lease: who leads, and which addresses are reserved.
        deployment: of the replicas.
        settings: of the replicas, as far as the Deployment shows them.
        hidden: what could not be read, and why.
        counts: how many objects were read, by kind.
        raw: pods' and machines' bytes, where they were asked for.
    """

    desk: Desk
    range_fault: str = ""
    cluster_uid: str = ""
    created: dict[ObjectKey, str] = field(default_factory=dict)
    namespaces: dict[str, Mapping[str, str]] = field(default_factory=dict)
    webhooks: dict[str, Json] = field(default_factory=dict)
    configuration: Json | None = None
    lease: LeaseRecord | None = None
    deployment: Json | None = None
    settings: Settings = field(default_factory=Settings)
    hidden: list[str] = field(default_factory=list)
    counts: dict[str, int] = field(default_factory=dict)

    def is_served(self, kind: str, namespace: str) -> bool:
        """Whether the webhook is asked about objects of a kind in a namespace."""
        webhook = self.webhooks.get(WEBHOOKS[kind])
        labels = {"kubernetes.io/metadata.name": namespace, **self.namespaces.get(namespace, {})}
        return webhook is not None and matches(webhook.get("namespaceSelector"), labels)

    def role(self, holder: Holder) -> str:
        """What an object is to whoever has its addresses."""
        party = self.desk.population.families.party_of(holder.key)
        if party == Party(*holder.key):
            return {POD: "pod", VIRTUAL_MACHINE: "virtual machine"}.get(holder.key.kind, "instance")
        return f"{'launcher pod' if holder.key.kind == POD else 'instance'} of {party}"

    def holders(self) -> Iterator[tuple[int, Holder]]:
        """Every address with each object that carries it, in the order of addresses."""
        ledger = self.desk.ledger
        found = [
            (address, holder)
            for holder in ledger.holders()
            for address in dict.fromkeys((*holder.addresses, *(holder.attached or ())))
        ]
        return iter(sorted(found, key=lambda pair: (pair[0], pair[1].key)))


async def survey(cluster: Cluster, tell: Tell | None = None, namespace: str = "") -> Survey:
    """Read the cluster.

    Args:
        cluster: which.
        tell: hears of progress.
        namespace: what is read where the whole cluster may not be; the context's by default.

    Raises:
        OutsideError: the API server did not answer.
    """
    found = await administration(cluster)
    paths = await _served_paths(cluster, found)
    pages = {
        kind: _take_in(
            cluster._replace(fallback=namespace), found, kind, resource, tell or (lambda _kind, _count: None)
        )
        for kind, resource in {
            POD: PODS,
            **{
                kind: Resource(paths[PLURALS[kind]])
                for kind in (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)
                if PLURALS[kind] in paths
            },
        }.items()
    }
    await asyncio.gather(*pages.values())
    if MIGRATIONS in paths:
        await _migrations(cluster, found, paths[MIGRATIONS])
    return found


async def each_of(cluster: Cluster, resource: Resource, **more: str) -> list[bytes]:
    """Every object of a collection.

    Raises:
        OutsideError: as the API server answered.
    """
    found: list[bytes] = []
    token = ""
    while True:
        params = {"limit": str(PAGE), **resource.selectors, **({"continue": token} if token else {}), **more}
        try:
            page = read_page(await cluster.client.get(resource.collection, params, accept=resource.list_accept))
        except ResourceExpiredError:  # the list began too long ago: again, from the beginning
            if not token:
                raise
            found, token = [], ""
            continue
        found += page.items
        token = page.continue_token
        if not token:
            return found


async def administration(cluster: Cluster) -> Survey:
    """The range, the namespaces, the webhooks, the Lease and the Deployment."""
    own = f"namespaces/{cluster.pool_namespace}"
    hidden: list[str] = []

    async def maybe(path: str) -> Json | None:
        try:
            return await cluster.find(path)
        except RefusedError as error:
            hidden.append(str(error))
            return None

    where_range = f"/api/v1/{own}/configmaps/{RANGE_CONFIG_MAP}"
    config_map, configuration, lease, deployment, kube_system, namespaces = await asyncio.gather(
        maybe(where_range),
        maybe(f"{_CONFIGURATIONS}/{CONFIGURATION}"),
        maybe(f"/apis/coordination.k8s.io/v1/{own}/leases/{LEASE_NAME}"),
        maybe(f"/apis/apps/v1/{own}/deployments/{DEPLOYMENT}"),
        maybe("/api/v1/namespaces/kube-system"),
        _allowed(each_of(cluster, Resource("/api/v1/namespaces", metadata_only=True)), hidden),
    )
    uid = (kube_system or {}).get("metadata", {}).get("uid", "")
    pool, fault, limit = _pool(config_map, cluster.pool_namespace, uid)
    if config_map is None and any(where_range in each for each in hidden):
        fault = "it may not be read"
    settings = settings_of(deployment)
    found = Survey(
        Desk(pool, settings, cluster_uid=uid, namespace_limit=limit), fault, uid, settings=settings, hidden=hidden
    )
    found.configuration, found.deployment = configuration, deployment
    found.webhooks = {each["name"]: each for each in (configuration or {}).get("webhooks") or ()}
    if lease is not None:
        found.lease = decode_lease(msgspec.json.encode(lease)).item
    for raw in namespaces:
        metadata: Json = msgspec.json.decode(raw)["metadata"]
        found.namespaces[metadata["name"]] = metadata.get("labels") or {}
        identity, version, item, _ = decode_namespace(raw)
        if item is not None:
            found.desk.policies.present(identity, item, version)
    return found


def _pool(config_map: Json | None, namespace: str, uid: str) -> tuple[Pool, str, int | None]:
    where = f"ConfigMap {namespace}/{RANGE_CONFIG_MAP}"
    if config_map is None:
        return parse_pool(SHIPPED), f"{where} is not there; apply the release manifest, which has it", None
    data = config_map.get("data") or {}
    try:
        return parse_pool(data, uid), "", parse_namespace_limit(data)
    except RangeError as error:
        return parse_pool(SHIPPED), f"{where}: {error}", None


def settings_of(deployment: Json | None) -> Settings:
    """What the replicas are told, as far as it matters to who holds which address."""
    containers = ((deployment or {}).get("spec") or {}).get("template", {}).get("spec", {}).get("containers") or [{}]
    given = {each.get("name"): each.get("value") for each in containers[0].get("env") or ()}
    arguments = [str(each) for each in containers[0].get("args") or ()]

    def value(flag: str, variable: str) -> str:
        for index, each in enumerate(arguments):
            if each == flag:
                follows = arguments[index + 1] if index + 1 < len(arguments) else ""
                return "true" if follows.startswith("-") or not follows else follows
            if each.startswith(f"{flag}="):
                return each.partition("=")[2]
        return given.get(variable) or ""

    policy = value("--conflict-policy", "KUBEMACPOOL_CONFLICT_POLICY")
    pod_network = value("--pod-network", "KUBEMACPOOL_POD_NETWORK")
    return Settings(
        conflict_policy=ConflictPolicy.WARN if policy == ConflictPolicy.WARN.value else ConflictPolicy.REJECT,
        pod_network=pod_network.lower() in {"true", "1", "yes", "on", "t", "y"},
    )


async def _served_paths(cluster: Cluster, found: Survey) -> Mapping[str, str]:
    try:
        return await GroupDiscovery(cluster.client, KUBEVIRT).resources()
    except RefusedError as error:
        found.hidden.append(str(error))
        return {}


async def _take_in(cluster: Cluster, found: Survey, kind: str, resource: Resource, tell: Tell) -> None:
    """List a kind, and tell the ledger of it."""
    token = ""
    count = 0
    while True:
        params = {"limit": str(PAGE), **resource.selectors, **({"continue": token} if token else {})}
        try:
            page = read_page(await cluster.client.get(resource.collection, params, accept=resource.list_accept))
        except ResourceExpiredError:
            if not token:
                raise
            token = ""  # telling what is known already changes nothing
            continue
        except (NotFoundError, RefusedError) as error:
            found.hidden.append(str(error))
            if resource.namespace is None and isinstance(error, RefusedError):
                resource = replace(resource, namespace=cluster.fallback or cluster.namespace)
                continue
            if kind == POD:
                raise  # without pods there is nothing to say
            return
        for raw in page.items:
            take_in_one(found, kind, raw)
        count += len(page.items)
        found.counts[kind] = count
        tell(kind, count)
        token = page.continue_token
        if not token:
            return


def take_in_one(found: Survey, kind: str, raw: bytes) -> None:
    """Tell the ledger of one object."""
    try:
        holder = found.desk.observe(kind, raw)
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        found.hidden.append(f"an object of kind {kind} cannot be read ({error})")
        return
    if holder is not None:
        found.created[holder.key] = _objects.decode(raw).metadata.creation_timestamp


async def _migrations(cluster: Cluster, found: Survey, path: str) -> None:
    follower = MigrationFollower(found.desk.ledger)
    for raw in await _allowed(each_of(cluster, Resource(path)), found.hidden):
        try:
            identity, version, item, _ = decode_migration(raw)
        except (msgspec.MsgspecError, UnreadableObjectError):
            continue
        if item is not None:
            follower.present(identity, item, version)


async def _allowed(reading: Awaitable[list[bytes]], hidden: list[str]) -> list[bytes]:
    try:
        return await reading
    except (RefusedError, NotFoundError) as error:
        hidden.append(str(error))
        return []
