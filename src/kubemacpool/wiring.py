"""The one place where the parts of a replica are put together."""

import asyncio
import os
import uuid
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kubemacpool.admission.allocation import LocalAllocator
from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.machines import InstanceAdmission, KnownMachines, MachineAdmission
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pods import Place, PodAdmission
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.admission.webhook import Router
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.core.pool import Pool
from kubemacpool.core.population import Population
from kubemacpool.election.elector import Elector, Replica
from kubemacpool.election.leadership import View
from kubemacpool.follow.collision_events import CollisionReporter
from kubemacpool.follow.follower import Follower
from kubemacpool.follow.kinds import OptionalKind, Presence
from kubemacpool.follow.migrations import MigrationFollower
from kubemacpool.follow.read_barrier import FollowedKind, ReadBarrier
from kubemacpool.follow.readiness import Readiness
from kubemacpool.follow.set_aside import ForgivingListener, Rebuilder, SettingAside, Trials
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import CollectionRead, GroupDiscovery
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import Transport
from kubemacpool.kube.writes import ClusterLease, lease_resource
from kubemacpool.ports import Clock, Events, Importance, Keeper, Measures, Peer, Watch
from kubemacpool.runtime import MonotonicClock
from kubemacpool.server.routes import MUTATE_INSTANCES, MUTATE_PODS, MUTATE_VIRTUAL_MACHINES
from kubemacpool.settings import Settings
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.wire.config import decode_namespace
from kubemacpool.wire.lease import decode_lease
from kubemacpool.wire.machines import NOT_OURS, NetworkKind, decoders
from kubemacpool.wire.migrations import decode_migration
from kubemacpool.wire.objects import KUBEVIRT, Decoded, ItemT
from kubemacpool.wire.pods import pod_decoder

PODS: Final = Resource(
    "/api/v1/pods",
    field_selector="status.phase!=Succeeded,status.phase!=Failed",  # a pod that completes is told as gone (rule 8)
    metadata_only=True,
)

MIGRATION: Final = "VirtualMachineInstanceMigration"


class FollowedCluster:
    """Everything that the ledger is derived from."""

    def __init__(
        self,
        client: Transport,
        ledger: Ledger,
        readiness: Readiness,
        measures: Measures,
        clock: Clock,
        passed_over: frozenset[NetworkKind] = NOT_OURS,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            client: the API server.
            ledger: what is derived.
            readiness: hindered until all is known.
            measures: told of what cannot be read.
            clock: the process's own.
            passed_over: on what kinds of network the addresses of virtual machines do not count.
        """
        self.on_rewind: Callable[[str], None] = lambda _: None
        """Called with the reason, when a list shows that the cluster was restored from a backup."""
        self._client = client
        self._measures = measures
        self._trials = Trials(clock)
        self.population = Population(ledger)
        self.rebuilder = Rebuilder(self._forget, self._relists, readiness)

        def follower(kind: str) -> Follower:
            return Follower(kind, self.population, readiness, measures, clock)

        self._pod_follower = follower(POD)
        self._pod_follower.begin()
        self._pods = self._reflector(PODS, pod_decoder(pod_network=not passed_over), self._pod_follower, POD)
        machine, instance = decoders(passed_over)
        self._machines = {
            VIRTUAL_MACHINE: self._kind(VIRTUAL_MACHINE, "virtualmachines", follower(VIRTUAL_MACHINE), machine),
            VIRTUAL_MACHINE_INSTANCE: self._kind(
                VIRTUAL_MACHINE_INSTANCE, "virtualmachineinstances", follower(VIRTUAL_MACHINE_INSTANCE), instance
            ),
        }
        self._migrating = MigrationFollower(ledger)
        self._migrations = self._kind(MIGRATION, "virtualmachineinstancemigrations", self._migrating, decode_migration)
        optional = [*self._machines.values(), self._migrations]
        self.presence = Presence(GroupDiscovery(client, KUBEVIRT), optional, readiness, clock)

    def start(self, keeper: Keeper) -> None:
        """Follow the cluster for as long as the keeper keeps it going."""
        keeper.keep("pods", self._pods.run)
        keeper.keep("rebuilding", self.rebuilder.run)
        keeper.keep("presence", lambda: self.presence.run(keeper))

    @property
    def knows_all_machines(self) -> bool:
        """Whether every VirtualMachine and every instance is known."""
        return all(kind.complete for kind in self._machines.values())

    def views(self) -> dict[str, View]:
        """By kind, what has to be as new as the Lease asks."""
        return {
            POD: View(self._pod_follower.progress, self._pods.relist),
            **{kind: View(optional.progress, self._relist(optional)) for kind, optional in self._machines.items()},
        }

    def followed(self) -> Iterator[FollowedKind]:
        """What has to be proven."""
        yield FollowedKind(POD, self._pod_follower.progress, CollectionRead(self._client, PODS), self._pods.relist)
        for kind, optional in self._machines.items():
            if optional.path is not None:
                newest = CollectionRead(self._client, Resource(optional.path))
                yield FollowedKind(kind, optional.progress, newest, self._relist(optional))

    def _forget(self) -> None:
        """Nothing was seen."""
        self._migrating.forget()
        self.population.begin_anew()

    def _relists(self) -> Iterator[Callable[[], Awaitable[None]]]:
        """By which everything is told again."""
        yield self._pods.relist
        for optional in (*self._machines.values(), self._migrations):
            yield optional.relist

    def _guarded(self, kind: str, listener: ForgivingListener[ItemT]) -> SettingAside[ItemT]:
        """A listener whose failures cost nothing but the object that it failed at."""
        return SettingAside(kind, listener, self.rebuilder.tear, self._trials, self._measures)

    def _kind(
        self,
        kind: str,
        plural: str,
        listener: Any,  # noqa: ANN401 (listener and decoder agree on what an item is)
        decode: Callable[[bytes], Decoded[Any]],
    ) -> OptionalKind:
        def watch(path: str) -> Watch:
            return self._reflector(Resource(path), decode, listener, kind)

        return OptionalKind(plural, listener, watch)

    def _reflector(
        self,
        resource: Resource,
        decode: Callable[[bytes], Decoded[Any]],
        listener: Any,  # noqa: ANN401 (listener and decoder agree on what an item is)
        kind: str,
    ) -> Reflector[Any]:
        def rewound(version: int, reason: str) -> None:
            self.population.ledger.rewind(kind, version)
            self.on_rewind(reason)

        reflector = Reflector(self._client, resource, decode, self._guarded(kind, listener))
        reflector.on_idle, reflector.on_rewind = listener.progress.idle, rewound
        return reflector

    def _relist(self, kind: OptionalKind) -> Callable[[], Awaitable[None]]:
        async def relist() -> None:
            await self.presence.look()
            await kind.relist()

        return relist


NAMESPACES = Resource("/api/v1/namespaces", metadata_only=True)


class Outside(NamedTuple):
    """What the parts have in common."""

    settings: Settings
    cluster_uid: str
    client: ApiClient
    peer: Peer
    readiness: Readiness
    metrics: Metrics
    events: Events
    clock: MonotonicClock
    namespace_limit: Callable[[], int | None]


class Deciding:
    """The ledger, what keeps it in line with the cluster, and the election of the one who allocates from it."""

    def __init__(self, pool: Pool, endpoint: str, around: Outside) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            pool: where free addresses are looked for, to begin with.
            endpoint: host and port at which the other replicas reach this one.
            around: what the parts have in common.
        """
        settings, client, clock = around.settings, around.client, around.clock
        ledger = Ledger(pool, in_flight_bound=settings.wait_time, cool_down=settings.cool_down)
        self.allocator = Allocator(ledger)
        self._cluster = FollowedCluster(
            client, ledger, around.readiness, around.metrics, clock, settings.passed_over_networks
        )
        self._read_barrier = ReadBarrier(ledger, self._cluster.followed, clock)
        self.elector = Elector(
            Replica(f"{os.uname().nodename}_{uuid.uuid4()}", endpoint),
            ClusterLease(client, settings.namespace),
            self.allocator,
            self._cluster.views(),
            lambda: around.readiness.obstacles,
            clock,
        )
        self._cluster.on_rewind = self.elector.rewound
        self._lease = Reflector(client, lease_resource(settings.namespace), decode_lease, self.elector)
        self._lease.on_rewind = lambda _, reason: self.elector.rewound(reason)
        policies = NamespacePolicies(
            settings.conflict_policy,
            around.readiness,
            around.namespace_limit,
            hides_foreign=settings.hide_foreign_holders,
        )
        aside = SettingAside("Namespace", policies, _stays_whole, Trials(clock), around.metrics)
        self._namespaces = Reflector(client, NAMESPACES, decode_namespace, aside)
        self.routers = self._routers(policies, around)
        self._collisions = CollisionReporter(
            ledger, lambda: self.elector.leading, around.events, hides_foreign=settings.hide_foreign_holders
        )
        around.metrics.follow(ledger)
        around.metrics.follow_election(self.elector, self.allocator)

    def _routers(self, policies: NamespacePolicies, around: Outside) -> Mapping[str, Router]:
        """By the path that the API server asks, who answers there."""
        metrics, clock = around.metrics, around.clock
        allocator = LocalAllocator(self.allocator, self.elector, policies.limit_of, clock)
        owners = Owners(self._cluster.population.families, clock)
        place = Place(around.cluster_uid, lambda: self.allocator.ledger.pool, pod_network=around.settings.pod_network)
        machines = KnownMachines(lambda: self._cluster.knows_all_machines, self._cluster.presence.look_soon)
        served = around.settings.served_networks
        answers = {
            MUTATE_PODS: PodAdmission(allocator, policies, owners, place, metrics, clock).answer,
            MUTATE_VIRTUAL_MACHINES: MachineAdmission(allocator, policies, machines, served, metrics, clock).answer,
            MUTATE_INSTANCES: InstanceAdmission(allocator, policies, machines, served, owners, metrics, clock).answer,
        }
        forwarder = Forwarder(self.elector, around.peer, clock)
        return {path: Router(path, answer, self.elector, forwarder, metrics, clock) for path, answer in answers.items()}

    def tear(self) -> bool:
        """Something has failed half-way that concerns the ledger: it is to be rebuilt, if it is not already."""
        return self._cluster.rebuilder.tear()

    def start(self, keeper: Keeper) -> asyncio.Task[None]:
        """Follow the cluster and take part in the election; the task returned ends after `elector.resign`."""
        self._cluster.start(keeper)
        keeper.keep("namespaces", self._namespaces.run)
        keeper.keep("lease", self._lease.run)
        keeper.keep("proving", self._read_barrier.run)
        keeper.keep("collisions", self._collisions.run, Importance.USEFUL)
        return keeper.keep("election", self.elector.run, Importance.VITAL)


def _stays_whole() -> bool:
    """Nothing is derived from policies."""
    return False
