"""One simulated replica: the production services, put together as in `kubemacpool.app`, around a simulated outside."""

import asyncio
import random
from typing import TYPE_CHECKING, Final, cast

from tests.sim.api import ApiServer
from tests.sim.client import Link, SimulatedClient
from tests.sim.loop import Process, SimulatedLoop

from kubemacpool.admission.allocation import AddressAllocation
from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pods import Place, PodAdmission
from kubemacpool.admission.policies import ConflictPolicy, NamespacePolicies
from kubemacpool.admission.webhook import Webhook
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD
from kubemacpool.core.pool import Pool
from kubemacpool.core.population import Population
from kubemacpool.election import elector
from kubemacpool.election.elector import Elector
from kubemacpool.election.leadership import KindView
from kubemacpool.follow.follower import Follower
from kubemacpool.follow.pool_config import RangeFollower
from kubemacpool.follow.read_barrier import FollowedKind, ReadBarrier
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube import reflector
from kubemacpool.kube.reads import CollectionRead
from kubemacpool.kube.reflector import Reflector
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.writes import ClusterLease, lease_resource
from kubemacpool.ports import Forwarding, Outcome, Peer, Regarding
from kubemacpool.server.routes import MUTATE_PODS
from kubemacpool.wire.config import RANGE_CONFIG_MAP, decode_config_map, decode_namespace
from kubemacpool.wire.lease import decode_lease
from kubemacpool.wire.pods import PodDecoder
from kubemacpool.wire.review import SERVICE_UNAVAILABLE, Answer, in_words
from kubemacpool.wiring import NAMESPACES, PODS

if TYPE_CHECKING:
    from kubemacpool.kube.client import ApiClient

NAMESPACE: Final = "kubemacpool-system"
RANGE: Final = Resource("/api/v1/configmaps", NAMESPACE, field_selector=f"metadata.name={RANGE_CONFIG_MAP}")

BOUND: Final = 30.0
"""The in-flight bound: the webhook's time-out and the API server's request time-out, as they are here."""

COOL_DOWN: Final = 5.0
DRAIN_DELAY: Final = 3.0
DRAIN_SECONDS: Final = 10.0


class OwnClock:
    """A replica's own clock: it began at another moment than the others', and is a little fast or slow."""

    def __init__(self, loop: SimulatedLoop, began: float, rate: float) -> None:
        self._loop = loop
        self._began = began
        self._rate = rate

    def now(self) -> float:
        """Seconds."""
        return self._began + self._loop.time() * self._rate


class Unheard:
    """Nobody looks at figures and Events here (implements `Measures` and `Events`)."""

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was handed on."""

    def range_judged(self, *, valid: bool) -> None:
        """The range was read."""

    def unreadable(self, kind: str) -> None:
        """An object was passed over."""

    def event_dropped(self, reason: str) -> None:
        """An Event was dropped."""

    def set_aside(self, kind: str, objects: int) -> None:
        """So many are set aside."""

    def task_restarted(self, task: str) -> None:
        """A task was started again."""

    def warn(self, regarding: Regarding, reason: str, message: str) -> None:
        """Something for people to look at."""


class SimulatedReplica:
    """One process of ours.

    Attributes:
        process: its tasks, which can be paused.
        endpoint: by which the others reach it.
        client: how it reaches the API server.
        gone: set when it has crashed or come to its end.
        leaving: whether it was told to end.
        elector: its part in the election, once it knows the pool.
        allocator: its core, likewise.
    """

    def __init__(self, name: str, server: ApiServer, loop: SimulatedLoop, rng: random.Random) -> None:
        """Describe it; `start` starts it."""
        self.process = Process(name)
        self.endpoint = f"{name}:8000"
        self.client = SimulatedClient(server, Link(rng))
        self.gone = asyncio.Event()
        self.leaving = False
        self.elector: Elector | None = None
        self.allocator: Allocator | None = None
        self._loop = loop
        self._clock = OwnClock(loop, rng.uniform(0, 10_000), rng.uniform(0.97, 1.03))
        self._surroundings = reflector.Surroundings(now=loop.time, draw=rng.random)
        self._readiness = Readiness()
        self._router: Webhook | None = None
        self._election: asyncio.Task[None] | None = None
        self._main: asyncio.Task[None] | None = None
        self._answering = 0

    @property
    def name(self) -> str:
        """For people."""
        return self.process.name

    @property
    def runs(self) -> bool:
        """Whether it is there, paused or not."""
        return not self.gone.is_set()

    @property
    def ready(self) -> bool:
        """What its readiness probe says."""
        return self.runs and not self.leaving and self._router is not None and not self._readiness.obstacles

    @property
    def leading(self) -> bool:
        """Whether it allocates."""
        return self.runs and self.elector is not None and self.elector.leading

    @property
    def failure(self) -> BaseException | None:
        """What has ended it though it should go on for ever."""
        if self._main is None or not self._main.done() or self._main.cancelled():
            return None
        return self._main.exception() or AssertionError("it has come to an end")

    @property
    def knows_of_lease(self) -> bool:
        """Whether it has seen the Lease while somebody held it, or knows that it was lost."""
        known = None if self.elector is None else self.elector._known
        return known is not None and (known.transitions > 0 or known.lost_since is not None)

    def start(self, peer: Peer, *, after: float = 0.0) -> None:
        """Begin, in so many seconds."""
        self._main = self._loop.spawn(self.process, self._run(peer, after))

    def crash(self) -> None:
        """Run nothing of it any more; its connections break."""
        self.process.pause()
        self.gone.set()
        for watch in list(self.client.watches):
            watch.close()

    def terminate(self) -> None:
        """SIGTERM: hand over, serve on for a while, end."""
        if self.runs and not self.leaving:
            self.leaving = True
            self._loop.spawn(self.process, self._leave())

    async def answer(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """What its port answers to a review."""
        if self._router is None:
            return in_words(SERVICE_UNAVAILABLE, "kubemacpool cannot decide yet: it has just started")
        self._answering += 1
        try:
            return await self._router.answer(body, patience, forwarded=forwarded)
        finally:
            self._answering -= 1

    def stop_watches(self, error: Exception | None) -> None:
        """Its watches break, or end in good order."""
        for watch in list(self.client.watches):
            watch.cut(error)

    async def _run(self, peer: Peer, after: float) -> None:
        await asyncio.sleep(after)
        unheard = Unheard()
        ranges = RangeFollower(
            NAMESPACE, self._replace_pool, self._readiness, unheard, unheard, cluster_uid="the-cluster"
        )
        async with asyncio.TaskGroup() as tasks:
            follow_range = Reflector(self.client, RANGE, decode_config_map, ranges, surroundings=self._surroundings)
            tasks.create_task(follow_range.run())
            self._assemble(await ranges.first_pool(), peer, tasks)

    def _assemble(self, pool: Pool, peer: Peer, tasks: asyncio.TaskGroup) -> None:
        """As `kubemacpool.app.assembly.Leading` does it."""
        clock, unheard, surroundings = self._clock, Unheard(), self._surroundings
        ledger = Ledger(pool, in_flight_bound=BOUND, cool_down=COOL_DOWN)
        self.allocator = Allocator(ledger)
        population = Population(ledger)
        follower = Follower(POD, population, self._readiness, unheard, clock)
        follower.begin()
        pods = Reflector(self.client, PODS, PodDecoder(), follower, surroundings=surroundings)
        followed = FollowedKind(POD, follower.progress, CollectionRead(self.client, PODS), pods.relist)
        read_barrier = ReadBarrier(ledger, lambda: [followed], clock)
        self.elector = Elector(
            elector.Member(self.name, self.endpoint),
            ClusterLease(cast("ApiClient", self.client), NAMESPACE),
            self.allocator,
            {POD: KindView(follower.progress, pods.relist)},
            lambda: self._readiness.obstacles,
            clock,
        )
        lease = Reflector(self.client, lease_resource(NAMESPACE), decode_lease, self.elector, surroundings=surroundings)
        pods.on_idle = follower.progress.idle
        pods.on_rewind = lease.on_rewind = lambda _, reason: self._rewound(reason)
        policies = NamespacePolicies(ConflictPolicy.REJECT, self._readiness, lambda: None)
        namespaces = Reflector(self.client, NAMESPACES, decode_namespace, policies, surroundings=surroundings)
        admission = PodAdmission(
            AddressAllocation(self.allocator, self.elector, policies.limit_of, clock),
            policies,
            Owners(population.families, clock),
            Place("the-cluster", lambda: ledger.pool),
            unheard,
            clock,
        )
        forwarder = Forwarder(self.elector, peer, clock)
        self._router = Webhook(MUTATE_PODS, admission, self.elector, forwarder, unheard, clock)
        for run in (pods.run, namespaces.run, lease.run, read_barrier.run):
            tasks.create_task(run())
        self._election = tasks.create_task(self.elector.run())

    def _rewound(self, reason: str) -> None:
        if self.elector is not None:
            self.elector.rewound(reason)

    def _replace_pool(self, pool: Pool) -> None:
        if self.allocator is not None:
            self.allocator.replace_pool(pool)

    async def _leave(self) -> None:
        """As `kubemacpool.app.program.Process` does it."""
        if self.elector is not None and self._election is not None:
            self.elector.resign()
            await asyncio.gather(asyncio.wait({self._election}), asyncio.sleep(DRAIN_DELAY))
        end = self._loop.time() + DRAIN_SECONDS
        while self._answering and self._loop.time() < end:  # noqa: ASYNC110 (looked at in simulated time)
            await asyncio.sleep(0.1)
        self.crash()
