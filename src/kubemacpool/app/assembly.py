"""The part of a replica that decides, or asks the one that does: built once the pool is known."""

import asyncio
import os
import uuid
from typing import NamedTuple

from kubemacpool.app.clock import MonotonicClock
from kubemacpool.app.settings import Settings
from kubemacpool.core.decider import Decider
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.pool import Pool
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.collections import CollectionRead
from kubemacpool.kube.leases import ClusterLease, lease_resource
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.ports.events import Events
from kubemacpool.ports.forwarding import Peer
from kubemacpool.service.admitting import PodAdmission
from kubemacpool.service.catching_up import View
from kubemacpool.service.deciding import LocalDecider
from kubemacpool.service.electing import Elector, Replica
from kubemacpool.service.following import POD, PodFollower
from kubemacpool.service.proving import WatchProver
from kubemacpool.service.readiness import Readiness
from kubemacpool.service.reporting import CollisionReporter
from kubemacpool.service.routing import Router
from kubemacpool.telemetry.metrics import Metrics
from kubemacpool.web.endpoints import MUTATE_PODS
from kubemacpool.wire.lease import decode_lease
from kubemacpool.wire.pods import decode_pod

PODS = Resource(
    "/api/v1/pods",
    field_selector="status.phase!=Succeeded,status.phase!=Failed",  # a pod that completes is told as gone (rule 8)
    metadata_only=True,
)


class Surroundings(NamedTuple):
    """What the parts have in common."""

    settings: Settings
    client: ApiClient
    peer: Peer
    readiness: Readiness
    metrics: Metrics
    events: Events
    clock: MonotonicClock


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
        follower = PodFollower(ledger, around.readiness, around.metrics, clock)
        self._pods = Reflector(client, PODS, decode_pod, follower)
        self._prover = WatchProver(ledger, follower.progress, CollectionRead(client, PODS), clock)
        self.elector = Elector(
            Replica(f"{os.uname().nodename}_{uuid.uuid4()}", endpoint),
            ClusterLease(client, settings.namespace),
            self.decider,
            {POD: View(follower.progress, self._pods.relist)},
            lambda: around.readiness.obstacles,
            clock,
        )
        self._lease = Reflector(client, lease_resource(settings.namespace), decode_lease, self.elector)
        admission = PodAdmission(LocalDecider(self.decider, self.elector, clock), around.metrics, clock)
        self.router = Router(MUTATE_PODS, admission.answer, self.elector, around.peer, around.metrics, clock)
        self._collisions = CollisionReporter(ledger, lambda: self.elector.deciding, around.events)
        around.metrics.follow(ledger)
        around.metrics.follow_election(self.elector, self.decider)

    def start(self, tasks: asyncio.TaskGroup) -> "asyncio.Task[None]":
        """Follow the cluster and take part in the election; the task returned ends after `elector.resign`."""
        tasks.create_task(self._pods.run())
        tasks.create_task(self._lease.run())
        tasks.create_task(self._prover.run())
        tasks.create_task(self._collisions.run())
        return tasks.create_task(self.elector.run())
