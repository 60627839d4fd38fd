"""The part of a replica that decides, or asks the one that does: built once the pool is known."""

import asyncio
import os
import uuid
from collections.abc import Callable, Mapping
from typing import NamedTuple

from kubemacpool.app.clock import MonotonicClock
from kubemacpool.app.population import FollowedCluster
from kubemacpool.app.settings import Settings
from kubemacpool.core.decider import Decider
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import Pool
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.leases import ClusterLease, lease_resource
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.ports.events import Events
from kubemacpool.ports.forwarding import Peer
from kubemacpool.ports.keeping import Importance, Keeper
from kubemacpool.service.deciding import LocalDecider
from kubemacpool.service.electing import Elector, Replica
from kubemacpool.service.kinship import Kinship
from kubemacpool.service.machine_admission import Followed, InstanceAdmission, MachineAdmission
from kubemacpool.service.pod_admission import Place, PodAdmission
from kubemacpool.service.policies import NamespacePolicies
from kubemacpool.service.proving import WatchProver
from kubemacpool.service.reaching import Reach
from kubemacpool.service.readiness import Readiness
from kubemacpool.service.reporting import CollisionReporter
from kubemacpool.service.routing import Router
from kubemacpool.service.setting_aside import SettingAside, Trials
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.web.endpoints import MUTATE_INSTANCES, MUTATE_PODS, MUTATE_VIRTUAL_MACHINES
from kubemacpool.wire.lease import decode_lease
from kubemacpool.wire.namespaces import decode_namespace

NAMESPACES = Resource("/api/v1/namespaces", metadata_only=True)


class Surroundings(NamedTuple):
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
    """The ledger, what keeps it in line with the cluster, and the election of the one who grants from it."""

    def __init__(self, pool: Pool, endpoint: str, around: Surroundings) -> None:
        """Put the parts together; nothing runs yet.

        Args:
            pool: where free addresses are looked for, to begin with.
            endpoint: host and port at which the other replicas reach this one.
            around: what the parts have in common.
        """
        settings, client, clock = around.settings, around.client, around.clock
        ledger = Ledger(pool, in_flight_bound=settings.wait_time, cool_down=settings.cool_down)
        self.decider = Decider(ledger)
        self._cluster = FollowedCluster(
            client, ledger, around.readiness, around.metrics, clock, settings.passed_over_networks
        )
        self._prover = WatchProver(ledger, self._cluster.followed, clock)
        self.elector = Elector(
            Replica(f"{os.uname().nodename}_{uuid.uuid4()}", endpoint),
            ClusterLease(client, settings.namespace),
            self.decider,
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
            ledger, lambda: self.elector.deciding, around.events, hides_foreign=settings.hide_foreign_holders
        )
        around.metrics.follow(ledger)
        around.metrics.follow_election(self.elector, self.decider)

    def _routers(self, policies: NamespacePolicies, around: Surroundings) -> Mapping[str, Router]:
        """By the path that the API server asks, who answers there."""
        metrics, clock = around.metrics, around.clock
        decider = LocalDecider(self.decider, self.elector, policies.limit_of, clock)
        kinship = Kinship(self._cluster.population.families, clock)
        place = Place(around.cluster_uid, lambda: self.decider.ledger.pool, pod_network=around.settings.pod_network)
        machines = Followed(lambda: self._cluster.knows_all_machines, self._cluster.presence.look_soon)
        served = around.settings.served_networks
        answers = {
            MUTATE_PODS: PodAdmission(decider, policies, kinship, place, metrics, clock).answer,
            MUTATE_VIRTUAL_MACHINES: MachineAdmission(decider, policies, machines, served, metrics, clock).answer,
            MUTATE_INSTANCES: InstanceAdmission(decider, policies, machines, served, kinship, metrics, clock).answer,
        }
        reach = Reach(self.elector, around.peer, clock)
        return {path: Router(path, answer, self.elector, reach, metrics, clock) for path, answer in answers.items()}

    def tear(self) -> bool:
        """Something has failed half-way that concerns the ledger: it is to be rebuilt, if it is not already."""
        return self._cluster.rebuilder.tear()

    def start(self, keeper: Keeper) -> asyncio.Task[None]:
        """Follow the cluster and take part in the election; the task returned ends after `elector.resign`."""
        self._cluster.start(keeper)
        keeper.keep("namespaces", self._namespaces.run)
        keeper.keep("lease", self._lease.run)
        keeper.keep("proving", self._prover.run)
        keeper.keep("collisions", self._collisions.run, Importance.USEFUL)
        return keeper.keep("election", self.elector.run, Importance.VITAL)


def _stays_whole() -> bool:
    """Nothing is derived from policies."""
    return False
