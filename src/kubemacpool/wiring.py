"""The one place where the parts of a replica are put together."""

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

from kubemacpool.admission.allocation import AddressAllocation
from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.machines import InstanceAdmission, KnownMachines, MachineAdmission
from kubemacpool.admission.outcomes import Outcomes
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pods import Place, PodAdmission
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.admission.webhook import Handler, Webhook
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.families import Families
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.core.pool import Pool
from kubemacpool.core.population import Population
from kubemacpool.core.requests import Exhausted
from kubemacpool.election.elector import Elector, Member
from kubemacpool.election.leadership import KindView
from kubemacpool.follow.collision_events import CollisionReporter
from kubemacpool.follow.follower import Follower
from kubemacpool.follow.kinds import OptionalKind, Presence
from kubemacpool.follow.migrations import MigrationFollower
from kubemacpool.follow.pool_config import RangeFollower
from kubemacpool.follow.read_barrier import FollowedKind, ReadBarrier
from kubemacpool.follow.readiness import Readiness
from kubemacpool.follow.set_aside import ForgivingListener, Rebuilder, SettingAside, Trials
from kubemacpool.kube.reads import CollectionRead, GroupDiscovery
from kubemacpool.kube.reflector import Reflector, Surroundings
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import WritingTransport
from kubemacpool.kube.writes import ClusterLease, lease_resource
from kubemacpool.ports import Clock, Events, Importance, Keeper, Leadership, Measures, Peer, Watch
from kubemacpool.server.routes import MUTATE_INSTANCES, MUTATE_PODS, MUTATE_VIRTUAL_MACHINES, WEBHOOKS
from kubemacpool.settings import Settings
from kubemacpool.wire.config import RANGE_CONFIG_MAP, decode_config_map, decode_namespace
from kubemacpool.wire.lease import decode_lease
from kubemacpool.wire.machines import NOT_OURS, NetworkKind, decoders
from kubemacpool.wire.migrations import decode_migration
from kubemacpool.wire.objects import KUBEVIRT, Decoded, ItemT
from kubemacpool.wire.pods import PodDecoder

PODS: Final = Resource(
    "/api/v1/pods",
    field_selector="status.phase!=Succeeded,status.phase!=Failed",  # a pod that completes is gone (rule 8)
    metadata_only=True,
)

MIGRATION: Final = "VirtualMachineInstanceMigration"


class Outside(NamedTuple):
    """What a replica meets: the program gives the real things, tests and the simulation their own.

    Attributes:
        client: the API server.
        peer: the other replicas.
        events: what is reported to people.
        measures: where figures go.
        clock: the process's own.
        readiness: hindered by whatever keeps this replica from deciding.
        cluster_uid: distinguishes this cluster from all others.
        webhooks: by path, what answers reviews; see `new_webhooks`.
        loops: time and chance in the loops that follow the cluster.
    """

    client: WritingTransport
    peer: Peer
    events: Events
    measures: Measures
    clock: Clock
    readiness: Readiness
    cluster_uid: str
    webhooks: Mapping[str, Webhook]
    loops: Surroundings = Surroundings()


class FollowedCluster:
    """Everything that the ledger is derived from."""

    def __init__(
        self,
        ledger: Ledger,
        outside: Outside,
        passed_over: frozenset[NetworkKind] = NOT_OURS,
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            ledger: what is derived.
            outside: the API server, and where what cannot be read is reported.
            passed_over: on what kinds of network the addresses of virtual machines do not count.
        """
        self.on_rewind: Callable[[str], None] = lambda _: None
        """Called with the reason, when a list shows that the cluster was restored from a backup."""
        client, measures, clock, readiness = outside.client, outside.measures, outside.clock, outside.readiness
        self._client = client
        self._measures = measures
        self._loops = outside.loops
        self._trials = Trials(clock)
        self.population = Population(ledger)
        self.rebuilder = Rebuilder(self._forget, self._relists, readiness)

        def follower(kind: str) -> Follower:
            return Follower(kind, self.population, readiness, measures, clock)

        self._pod_follower = follower(POD)
        self._pod_follower.begin()
        self._pods = self._reflector(PODS, PodDecoder(pod_network=not passed_over), self._pod_follower, POD)
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

    def views(self) -> dict[str, KindView]:
        """By kind, what has to be as new as the Lease asks."""
        return {
            POD: KindView(self._pod_follower.progress, self._pods.relist),
            **{kind: KindView(optional.progress, self._relist(optional)) for kind, optional in self._machines.items()},
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
        """By which everything is listed again."""
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

        reflector = Reflector(self._client, resource, decode, self._guarded(kind, listener), surroundings=self._loops)
        reflector.on_idle, reflector.on_rewind = listener.progress.idle, rewound
        self._measures.follow(resource.plural, reflector)
        return reflector

    def _relist(self, kind: OptionalKind) -> Callable[[], Awaitable[None]]:
        async def relist() -> None:
            await self.presence.look()
            await kind.relist()

        return relist


NAMESPACES: Final = Resource("/api/v1/namespaces", metadata_only=True)


class Known(NamedTuple):
    """What an admission rests on.

    Attributes:
        allocator: decides.
        leadership: whether it may, and what the Lease lists.
        policies: of namespaces.
        families: whose object is whose.
        machines: whether all VirtualMachines are known.
        cluster_uid: from which the preferred addresses of pods are derived.
        exhausted: told when an object was refused because the pool is full.
    """

    allocator: Allocator
    leadership: Leadership
    policies: NamespacePolicies
    families: Families
    machines: KnownMachines
    cluster_uid: str
    exhausted: Callable[[Exhausted], None]


class Admissions(NamedTuple):
    """Who judges each kind of object."""

    pods: PodAdmission
    machines: MachineAdmission
    instances: InstanceAdmission


def admissions(known: Known, settings: Settings, measures: Measures, clock: Clock) -> Admissions:
    """Put together what judges objects, whoever leads."""
    outcomes = Outcomes(measures, known.exhausted)
    allocation = AddressAllocation(known.allocator, known.leadership, known.policies.limit_of, clock, outcomes.tell)
    owners = Owners(known.families, clock)
    place = Place(known.cluster_uid, lambda: known.allocator.ledger.pool, pod_network=settings.pod_network)
    served = settings.served_networks
    return Admissions(
        PodAdmission(allocation, known.policies, owners, place, measures, clock),
        MachineAdmission(allocation, known.policies, known.machines, served, measures, clock),
        InstanceAdmission(allocation, known.policies, known.machines, served, owners, measures, clock),
    )


def new_webhooks(readiness: Readiness, measures: Measures, clock: Clock) -> Mapping[str, Webhook]:
    """What answers at the webhook's port, by path, from the process's first moment."""
    return {path: Webhook(path, readiness, measures, clock) for path in WEBHOOKS}


def serve(
    webhooks: Mapping[str, Webhook], known: Known, settings: Settings, peer: Peer, measures: Measures, clock: Clock
) -> None:
    """Have the webhooks answer reviews: here, or at the leader."""
    judges = admissions(known, settings, measures, clock)
    forwarder = Forwarder(known.leadership, peer, clock)
    handlers: Mapping[str, Handler] = {
        MUTATE_PODS: judges.pods,
        MUTATE_VIRTUAL_MACHINES: judges.machines,
        MUTATE_INSTANCES: judges.instances,
    }
    for path, handler in handlers.items():
        webhooks[path].serve(handler, known.leadership, forwarder)


class Core:
    """What there is once the pool is known: the ledger, what it is derived from, and the election of the leader.

    Attributes:
        ledger: who has which address.
        allocator: decides from it.
        elector: this replica's part in the election.
    """

    def __init__(
        self,
        pool: Pool,
        member: Member,
        policies: NamespacePolicies,
        settings: Settings,
        outside: Outside,
        *,
        exhausted: Callable[[Exhausted], None],
    ) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            pool: to begin with.
            member: who it is in the election.
            policies: of namespaces.
            settings: the installation's.
            outside: what it meets.
            exhausted: told when an object was refused because the pool is full.
        """
        client, clock, readiness = outside.client, outside.clock, outside.readiness
        self.ledger = Ledger(pool, in_flight_bound=settings.wait_time, cool_down=settings.cool_down)
        self.allocator = Allocator(self.ledger)
        cluster = FollowedCluster(self.ledger, outside, settings.passed_over_networks)
        self._cluster = cluster
        self._read_barrier = ReadBarrier(self.ledger, cluster.followed, clock)
        self.elector = Elector(
            member,
            ClusterLease(client, settings.namespace),
            self.allocator,
            cluster.views(),
            lambda: readiness.obstacles,
            clock,
        )
        cluster.on_rewind = self.elector.rewound
        lease = lease_resource(settings.namespace)
        self._lease = Reflector(client, lease, decode_lease, self.elector, surroundings=outside.loops)
        outside.measures.follow(lease.plural, self._lease)
        self._lease.on_rewind = lambda _, reason: self.elector.rewound(reason)
        machines = KnownMachines(lambda: cluster.knows_all_machines, cluster.presence.look_soon)
        families = cluster.population.families
        known = Known(self.allocator, self.elector, policies, families, machines, outside.cluster_uid, exhausted)
        serve(outside.webhooks, known, settings, outside.peer, outside.measures, clock)
        self._collisions = CollisionReporter(
            self.ledger, lambda: self.elector.leading, outside.events, hides_foreign=settings.hide_foreign_holders
        )

    def tear(self) -> bool:
        """Something has failed half-way that concerns the ledger: it is to be rebuilt, if it is not already."""
        return self._cluster.rebuilder.tear()

    def start(self, keeper: Keeper) -> asyncio.Task[None]:
        """Follow the cluster and take part in the election; the task returned ends after `elector.resign`."""
        self._cluster.start(keeper)
        keeper.keep("lease", self._lease.run)
        keeper.keep("read barrier", self._read_barrier.run)
        keeper.keep("collisions", self._collisions.run, Importance.USEFUL)
        return keeper.keep("election", self.elector.run, Importance.VITAL)


class Replica:
    """One replica, from the ConfigMap with its range to its answers; of HTTP and TLS it knows nothing.

    Attributes:
        core: what there is once the pool is known.
        election: ends after `core.elector.resign`.
    """

    def __init__(self, member: Member, settings: Settings, outside: Outside) -> None:
        """Put the first parts together; nothing runs yet.

        Args:
            member: who it is in the election.
            settings: the installation's.
            outside: what it meets.
        """
        self.core: Core | None = None
        self.election: asyncio.Task[None] | None = None
        self._member = member
        self._settings = settings
        self._outside = outside
        self._pool = RangeFollower(
            settings.namespace,
            self._replace_pool,
            outside.readiness,
            outside.measures,
            outside.events,
            cluster_uid=outside.cluster_uid,
        )
        self._policies = NamespacePolicies(
            settings.conflict_policy,
            outside.readiness,
            lambda: self._pool.namespace_limit,
            hides_foreign=settings.hide_foreign_holders,
        )

    async def start(self, keeper: Keeper) -> Core:
        """Follow the cluster and take part in the election; waits for a pool, which the ConfigMap has to give."""
        configuration = Resource(
            "/api/v1/configmaps", self._settings.namespace, field_selector=f"metadata.name={RANGE_CONFIG_MAP}"
        )
        keeper.keep("range", self._watch(configuration, decode_config_map, "ConfigMap", self._pool, self._tear).run)
        keeper.keep(
            "namespaces", self._watch(NAMESPACES, decode_namespace, "Namespace", self._policies, lambda: False).run
        )
        pool = await self._pool.first_pool()
        self.core = Core(
            pool, self._member, self._policies, self._settings, self._outside, exhausted=self._pool.exhausted
        )
        self.election = self.core.start(keeper)
        return self.core

    def _watch(
        self,
        resource: Resource,
        decode: Callable[[bytes], Decoded[ItemT]],
        kind: str,
        listener: ForgivingListener[ItemT],
        tear: Callable[[], bool],
    ) -> Reflector[ItemT]:
        """Follow what administrators write."""
        aside = SettingAside(kind, listener, tear, Trials(self._outside.clock), self._outside.measures)
        reflector = Reflector(self._outside.client, resource, decode, aside, surroundings=self._outside.loops)
        self._outside.measures.follow(resource.plural, reflector)
        return reflector

    def _replace_pool(self, pool: Pool) -> None:
        """The range was changed while running."""
        if self.core is not None:
            self.core.allocator.replace_pool(pool)

    def _tear(self) -> bool:
        """A range may have been taken up half-way."""
        return self.core is not None and self.core.tear()
