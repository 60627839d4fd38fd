"""Random histories of a simulated cluster: what users and KubeVirt do, and what goes wrong meanwhile."""

from typing import Final, NamedTuple, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.sim.cluster import Cluster
from tests.sim.replica import SimulatedReplica

from kubemacpool.ports import ClusterUnavailableError

NAMES: Final = [f"web-{number}" for number in range(18)] + [f"db-{number}" for number in range(12)]
LEAST_REPLICAS: Final = 2
MOST_REPLICAS: Final = 4
PREFIXES: Final = ["web-", "db-", "job-"]

MACHINES: Final = [f"vm-{number}" for number in range(6)]

ANY: Final = None
MOST_WANTED: Final = 24
"""The users' choice is among so many addresses."""

WISHES: Final = st.one_of(
    st.just((ANY,)),
    st.just((ANY, ANY)),
    st.tuples(st.integers(1, MOST_WANTED)),
    st.tuples(st.integers(1, MOST_WANTED), st.just(ANY)),
)
DELAYS: Final = st.sampled_from([0.0, 0.0, 0.0, 0.5, 4.0, 9.0, 12.0, 19.0])
INDEX: Final = st.integers(0, 11)
WHOM: Final = st.sampled_from(["leader", "leader", "any"])


class Wave(NamedTuple):
    """Pods that are created at once.

    Attributes:
        first: index of the first name; the others follow it.
        size: how many; as many are deleted before, if `instead`.
        wanted: of the first one; an address of the user's choice is followed by its neighbours.
        later: seconds after the webhook's answer until they are persisted.
        instead: whether others make room.
    """

    first: int
    size: int
    wanted: tuple[int | None, ...]
    later: float
    instead: bool


WAVES: Final = st.builds(
    Wave,
    first=st.integers(0, len(NAMES) - 1),
    size=st.sampled_from([3, 6, 12]),
    wanted=WISHES,
    later=DELAYS,
    instead=st.booleans(),
)

THEN: Final = st.tuples(
    st.sampled_from([0.03, 7.0, 7.0, 40.0]), st.one_of(st.none(), WAVES), st.sampled_from([True, True, False])
)
"""What follows a fault: seconds pass, then pods are created, and then perhaps the fault is healed."""

KUBEVIRT: Final = ("virtualmachines", "virtualmachineinstances")

Then = tuple[float, Wave | None, bool]
ItemT = TypeVar("ItemT")


class Histories(RuleBasedStateMachine):
    """Each rule is a thing that happens; then a moment passes."""

    cluster: Cluster

    @initialize(seed=st.integers(0, 2**32 - 1), replicas=st.integers(2, 3), addresses=st.sampled_from([20, 20, 25, 60]))
    def begin(self, seed: int, replicas: int, addresses: int) -> None:
        """A cluster in which somebody leads."""
        self.cluster = Cluster(seed, replicas=replicas, addresses=addresses)
        self.cluster.wait_for_service()

    # What users do

    @rule(name=st.sampled_from(NAMES), wanted=WISHES, later=DELAYS, quota=st.sampled_from([False, False, True]))
    def create(self, name: str, wanted: tuple[int | None, ...], later: float, quota: bool) -> None:  # noqa: FBT001 (Hypothesis passes it by name)
        """A pod by its name, also one that is there or on its way already."""
        self.cluster.create(name, wanted, later=later, quota=quota)
        self._pass(0.03)

    @rule(prefix=st.sampled_from(PREFIXES), wanted=WISHES, later=DELAYS, dry_run=st.booleans())
    def create_unnamed(self, prefix: str, wanted: tuple[int | None, ...], later: float, dry_run: bool) -> None:  # noqa: FBT001 (likewise)
        """A pod of which the API server makes the name."""
        self.cluster.create("", wanted, prefix=prefix, later=later, dry_run=dry_run)
        self._pass(0.03)

    @rule(wave=WAVES)
    def scale_up(self, wave: "Wave") -> None:
        """Many pods at once, perhaps instead of others."""
        self._create(wave)
        self._pass(0.1)

    @precondition(lambda self: self.cluster.pods())
    @rule(index=INDEX, count=st.integers(1, 8), completes=st.booleans())
    def end_pods(self, index: int, count: int, completes: bool) -> None:  # noqa: FBT001 (likewise)
        """Pods are deleted, or come to their end."""
        for _ in range(count):
            pods = self.cluster.pods()
            if pods:
                (self.cluster.complete if completes else self.cluster.delete)(_pick(pods, index))
        self._pass(0.03)

    @rule(
        name=st.sampled_from(MACHINES), wanted=WISHES, later=DELAYS, then=st.sampled_from(["run", "run", "halt", "go"])
    )
    def create_machine(self, name: str, wanted: tuple[int | None, ...], later: float, then: str) -> None:
        """A virtual machine; its launcher pods take their time from now on. Soon it may be stopped, or deleted."""
        self.cluster.virt.later = later
        self.cluster.create_machine(name, wanted)
        self._pass(1.5)
        if then != "run":
            self._end_machine(name, goes=then == "go")

    @precondition(lambda self: self.cluster.virt.names())
    @rule(index=INDEX, what=st.sampled_from(["start", "stop", "migrate", "migrate", "delete"]))
    def change_machine(self, index: int, what: str) -> None:
        """A machine that there is."""
        name = _pick(self.cluster.virt.names(), index)
        if what == "migrate":
            self.cluster.virt.migrate(name)
        elif what == "start":
            self.cluster.run_machine(name, runs=True)
        else:
            self._end_machine(name, goes=what == "delete")
        self._pass(0.03)

    @rule(seconds=st.sampled_from([0.2, 1.0, 6.0, 35.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._pass(seconds)

    @rule(
        first=st.integers(1, 10),
        length=st.sampled_from([20, 20, 30]),
        lease=st.sampled_from(["", "", "", "deleted", "made anew"]),
    )
    def meddle(self, first: int, length: int, lease: str) -> None:
        """A user edits the ConfigMap, or deletes a Lease that they do not know."""
        if lease:
            self.cluster.delete_lease(make_anew=lease == "made anew")
        else:
            self.cluster.use_range(first, first + length)
        self._pass(0.03)

    # What goes wrong

    @rule(index=INDEX, whom=WHOM, then=THEN)
    def crash(self, index: int, whom: str, then: Then) -> None:
        """A replica is killed; the Deployment starts another one, if it has to."""
        self._pick(index, whom).crash()
        if len(self.cluster.living()) < LEAST_REPLICAS:
            self.cluster.start_replica()
        self._then(then)

    @precondition(lambda self: len(self.cluster.living()) < MOST_REPLICAS)
    @rule()
    def start(self) -> None:
        """One more."""
        self.cluster.start_replica()
        self._pass(0.03)

    @rule(index=INDEX, whom=WHOM)
    def terminate(self, index: int, whom: str) -> None:
        """A replica is told to end, and another one started."""
        self._pick(index, whom).terminate()
        self.cluster.start_replica()
        self._pass(0.03)

    @rule(
        index=INDEX, whom=WHOM, seconds=st.sampled_from([0.5, 4.5, 6.0, 50.0]), wave=WAVES, timers_first=st.booleans()
    )
    def pause(self, index: int, whom: str, seconds: float, wave: Wave, timers_first: bool) -> None:  # noqa: FBT001 (likewise)
        """A replica stands still for a while, in which pods are created; some of the questions wait for it."""
        replica = self._pick(index, whom)
        replica.process.pause()
        self._pass(seconds)
        self.scale_up(wave)
        if replica.runs and replica.process.paused:
            replica.process.resume(self.cluster.loop, timers_first=timers_first)
        self._pass(0.03)

    @rule(index=INDEX, whom=WHOM, refusing=st.booleans(), then=THEN)
    def cut_off(self, index: int, whom: str, refusing: bool, then: Then) -> None:  # noqa: FBT001 (likewise)
        """A replica does not reach the API server any more, though the API server reaches it."""
        link = self._pick(index, whom).client.link
        link.whole, link.refusing = False, refusing
        self._then(then)

    @rule(index=INDEX, whom=WHOM, count=st.integers(1, 3))
    def lose_answers(self, index: int, whom: str, count: int) -> None:
        """Writes are made, and whoever made them does not hear of it."""
        self._pick(index, whom).client.link.answers_to_lose += count
        self._pass(0.03)

    @rule(index=INDEX, whom=WHOM, slowest=st.sampled_from([0.3, 2.5]))
    def slow_down(self, index: int, whom: str, slowest: float) -> None:
        """Requests and events of a replica take their time."""
        self._pick(index, whom).client.link.latency = (0.0, slowest)
        self._pass(0.03)

    @rule(
        index=INDEX,
        whom=st.sampled_from(["leader", "any", "others"]),
        kinds=st.sampled_from([("pods",), ("pods",), ("leases",), ("pods", "leases"), KUBEVIRT]),
        then=THEN,
    )
    def hold_watches(self, index: int, whom: str, kinds: tuple[str, ...], then: Then) -> None:
        """Watches stand, without anybody's being told: of one replica, or of all but the leader."""
        allocator = self.cluster.allocator()
        others = [replica for replica in self.cluster.living() if replica is not allocator]
        for replica in others if whom == "others" else [self._pick(index, whom)]:
            replica.client.link.held.update(kinds)
        self._then(then)

    @rule(index=INDEX, clean=st.booleans(), forgets=st.booleans())
    def end_watches(self, index: int, clean: bool, forgets: bool) -> None:  # noqa: FBT001 (likewise)
        """Watches of a replica end, and perhaps cannot be resumed where they were."""
        if forgets:
            self.cluster.forget_history()
        error = None if clean else ClusterUnavailableError("connection reset")
        self._pick(index, "any").stop_watches(error)
        self._pass(0.03)

    @rule(index=INDEX, other=INDEX)
    def sever(self, index: int, other: int) -> None:
        """Two replicas do not reach each other any more."""
        self.cluster.sever(self._pick(index, "any"), self._pick(other, "any"))
        self._pass(0.03)

    @rule()
    def heal(self) -> None:
        """Everything works again."""
        self.cluster.heal()
        self._pass(0.5)

    # What holds

    @invariant()
    def nobody_has_what_another_has(self) -> None:
        """Nor has any part of us failed."""
        if hasattr(self, "cluster"):
            self.cluster.check()

    def teardown(self) -> None:
        """In the end nothing has leaked."""
        if not hasattr(self, "cluster"):
            return
        try:
            self.cluster.check_settled()
        finally:
            self.cluster.close()

    def _end_machine(self, name: str, *, goes: bool) -> None:
        """It is stopped or deleted, if it is there."""
        if name in self.cluster.virt.names():
            if goes:
                self.cluster.delete_machine(name)
            else:
                self.cluster.run_machine(name, runs=False)

    def _create(self, wave: Wave) -> None:
        if wave.instead:
            for name in self.cluster.pods()[: wave.size]:
                self.cluster.delete(name)
            self._pass(0.03)
        for offset in range(wave.size):
            wanted = [None if number is None else (number + offset) % MOST_WANTED + 1 for number in wave.wanted]
            self.cluster.create(NAMES[(wave.first + offset) % len(NAMES)], wanted, later=wave.later)

    def _then(self, then: Then) -> None:
        seconds, wave, heals = then
        self._pass(seconds)
        if wave is not None:
            self._create(wave)
        self._pass(0.3)
        if heals:
            self.cluster.heal()

    def _pass(self, seconds: float) -> None:
        self.cluster.loop.run(seconds)

    def _pick(self, index: int, whom: str) -> SimulatedReplica:
        """One of the replicas that are there; the leader, if it is asked for and known."""
        if whom == "leader" and (allocator := self.cluster.allocator()) is not None:
            return allocator
        if not self.cluster.living():
            self.cluster.start_replica()
        return _pick(self.cluster.living(), index)


def _pick(items: list[ItemT], index: int) -> ItemT:
    return items[index % len(items)]
