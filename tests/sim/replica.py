"""One simulated replica: what the program's own wiring puts together, around a simulated outside."""

import asyncio
import random
from typing import Final

from tests.sim.api import ApiServer
from tests.sim.client import Link, SimulatedClient
from tests.sim.loop import Process, SimulatedLoop
from tests.support.outside import Strict

from kubemacpool.core.allocator import Allocator
from kubemacpool.election.elector import Elector, Member
from kubemacpool.follow.readiness import Readiness
from kubemacpool.kube.reflector import Surroundings
from kubemacpool.ports import Choice, Followed, Forwarding, Outcome, Peer, RefusalReason, Regarding
from kubemacpool.settings import Settings
from kubemacpool.wire.review import Answer
from kubemacpool.wiring import Core, Outside, Replica, new_webhooks

NAMESPACE: Final = "kubemacpool-system"
BOUND: Final = 30
"""The in-flight bound: the webhook's time-out and the API server's request time-out, as they are here."""

COOL_DOWN: Final = 5
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
    """Nobody looks at figures and Events here (implements `Measures` and `Events`), but at our own faults.

    Attributes:
        faults: of ours, that the replica has survived.
    """

    def __init__(self) -> None:
        self.faults: list[str] = []

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""

    def refused(self, reason: RefusalReason) -> None:
        """One object was refused."""

    def allocated(self, choice: Choice, addresses: int) -> None:
        """Addresses were allocated."""

    def follow(self, resource: str, followed: Followed) -> None:
        """A resource is followed."""

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was handed on."""

    def range_judged(self, *, valid: bool) -> None:
        """The range was read."""

    def unreadable(self, kind: str) -> None:
        """An object was passed over."""
        self.faults.append(f"a {kind} was not understood")

    def event_dropped(self, reason: str) -> None:
        """An Event was dropped."""

    def set_aside(self, kind: str, objects: int) -> None:
        """So many are set aside."""
        if objects:
            self.faults.append(f"{objects} of the kind {kind} are set aside")

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
        passed_over: whether the API server sends nothing to it, though it is ready.
    """

    def __init__(self, name: str, server: ApiServer, loop: SimulatedLoop, rng: random.Random) -> None:
        """Describe it; `start` starts it."""
        self.process = Process(name)
        self.endpoint = f"{name}:8000"
        self.client = SimulatedClient(server, Link(rng))
        self.gone = asyncio.Event()
        self.leaving = False
        self.passed_over = False
        self._loop = loop
        self._clock = OwnClock(loop, rng.uniform(0, 10_000), rng.uniform(0.97, 1.03))
        self._loops = Surroundings(now=loop.time, draw=rng.random)
        self._readiness = Readiness()
        self._heard = Unheard()
        self._webhooks = new_webhooks(self._readiness, self._heard, self._clock)
        self._replica: Replica | None = None
        self._main: asyncio.Task[None] | None = None
        self._answering = 0

    @property
    def name(self) -> str:
        """For people."""
        return self.process.name

    @property
    def core(self) -> Core | None:
        """What it is made of, once it knows the pool."""
        return None if self._replica is None else self._replica.core

    @property
    def elector(self) -> Elector | None:
        """Its part in the election, likewise."""
        return None if self.core is None else self.core.elector

    @property
    def allocator(self) -> Allocator | None:
        """Decides, likewise."""
        return None if self.core is None else self.core.allocator

    @property
    def runs(self) -> bool:
        """Whether it is there, paused or not."""
        return not self.gone.is_set()

    @property
    def ready(self) -> bool:
        """What its readiness probe says."""
        return (
            self.runs
            and not (self.leaving or self.passed_over)
            and self.core is not None
            and not self._readiness.obstacles
        )

    @property
    def leading(self) -> bool:
        """Whether it allocates."""
        return self.runs and self.elector is not None and self.elector.leading

    @property
    def failure(self) -> BaseException | None:
        """What has ended it though it should go on for ever."""
        if self._heard.faults:
            return AssertionError(self._heard.faults[0])
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

    async def answer(self, path: str, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """What its port answers to a review.

        Raises:
            ConnectionError: the port is not open yet.
        """
        if self._replica is None:
            raise ConnectionError(f"{self.name}: connection refused")
        self._answering += 1
        try:
            return await self._webhooks[path].answer(body, patience, forwarded=forwarded)
        finally:
            self._answering -= 1

    def stop_watches(self, error: Exception | None) -> None:
        """Its watches break, or end in good order."""
        for watch in list(self.client.watches):
            watch.cut(error)

    async def _run(self, peer: Peer, after: float) -> None:
        await asyncio.sleep(after)
        outside = Outside(
            self.client,
            peer,
            self._heard,
            self._heard,
            self._clock,
            self._readiness,
            "the-cluster",
            self._webhooks,
            self._loops,
        )
        settings = Settings(namespace=NAMESPACE, advertise_address="127.0.0.1", wait_time=BOUND, cool_down=COOL_DOWN)
        self._replica = Replica(Member(self.name, self.endpoint), settings, outside)
        async with asyncio.TaskGroup() as tasks:
            await self._replica.start(Strict(tasks))

    async def _leave(self) -> None:
        """As `kubemacpool.process` does it."""
        if self._replica is not None and self.elector is not None and self._replica.election is not None:
            self.elector.resign()
            await asyncio.gather(asyncio.wait({self._replica.election}), asyncio.sleep(DRAIN_DELAY))
        end = self._loop.time() + DRAIN_SECONDS
        while self._answering and self._loop.time() < end:  # noqa: ASYNC110 (looked at in simulated time)
            await asyncio.sleep(0.1)
        self.crash()
