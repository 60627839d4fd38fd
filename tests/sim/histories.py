"""Random histories of a simulated cluster: what users do, and what goes wrong meanwhile."""

from typing import Final, TypeVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from tests.sim.cluster import Cluster
from tests.sim.replica import SimulatedReplica

from kubemacpool.ports.errors import ClusterUnavailableError

NAMES: Final = [f"web-{number}" for number in range(12)] + [f"db-{number}" for number in range(8)]
PREFIXES: Final = ["web-", "db-", "job-"]
MOST_REPLICAS: Final = 4

ANY: Final = None
WISHES: Final = st.one_of(
    st.just((ANY,)),
    st.just((ANY, ANY)),
    st.tuples(st.integers(1, 65)),
    st.tuples(st.integers(1, 65), st.just(ANY)),
)
DELAYS: Final = st.sampled_from([0.0, 0.0, 0.0, 0.5, 4.0, 9.0, 19.0])
INDEX: Final = st.integers(0, 11)
ItemT = TypeVar("ItemT")


class Histories(RuleBasedStateMachine):
    """Each rule is a thing that happens; then a moment passes."""

    cluster: Cluster

    @initialize(seed=st.integers(0, 2**32 - 1), replicas=st.integers(2, 3), addresses=st.integers(20, 60))
    def begin(self, seed: int, replicas: int, addresses: int) -> None:
        """A cluster in which somebody decides."""
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

    @rule(first=INDEX, count=st.integers(2, 12), wanted=WISHES)
    def scale_up(self, first: int, count: int, wanted: tuple[int | None, ...]) -> None:
        """Many pods at once."""
        for offset in range(count):
            self.cluster.create(NAMES[(first + offset) % len(NAMES)], wanted)
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

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0, 6.0, 6.0, 35.0]))
    def wait(self, seconds: float) -> None:
        """Time passes."""
        self._pass(seconds)

    @rule(first=st.integers(1, 10), length=st.integers(15, 50))
    def change_range(self, first: int, length: int) -> None:
        """A user edits the ConfigMap."""
        self.cluster.use_range(first, first + length)
        self._pass(0.03)

    @rule(make_anew=st.booleans())
    def delete_lease(self, make_anew: bool) -> None:  # noqa: FBT001 (likewise)
        """A user deletes what they do not know."""
        self.cluster.delete_lease(make_anew=make_anew)
        self._pass(0.03)

    # What goes wrong

    @rule(index=INDEX, whom=st.sampled_from(["decider", "any"]), wait=st.sampled_from([0.03, 2.0, 7.0]))
    def crash(self, index: int, whom: str, wait: float) -> None:
        """A replica is killed; the Deployment starts another one."""
        self._pick(index, whom).crash()
        self.cluster.start_replica()
        self._pass(wait)

    @rule(index=INDEX, whom=st.sampled_from(["decider", "any"]))
    def terminate(self, index: int, whom: str) -> None:
        """A replica is told to end, and another one started."""
        self._pick(index, whom).terminate()
        self.cluster.start_replica()
        self._pass(0.03)

    @rule(
        index=INDEX,
        whom=st.sampled_from(["decider", "any"]),
        seconds=st.sampled_from([0.5, 4.5, 6.0, 12.0, 50.0]),
        wanted=WISHES,
        timers_first=st.booleans(),
    )
    def pause(self, index: int, whom: str, seconds: float, wanted: tuple[int | None, ...], timers_first: bool) -> None:  # noqa: FBT001 (likewise)
        """A replica stands still for a while, in which pods are created; some of the questions wait for it."""
        replica = self._pick(index, whom)
        replica.process.pause()
        self._pass(seconds)
        self.scale_up(index, 4, wanted)
        if replica.runs and replica.process.paused:
            replica.process.resume(self.cluster.loop, timers_first=timers_first)
        self._pass(0.03)

    @rule(index=INDEX, whom=st.sampled_from(["decider", "any"]), refusing=st.booleans())
    def cut_off(self, index: int, whom: str, refusing: bool) -> None:  # noqa: FBT001 (likewise)
        """A replica does not reach the API server any more, though the API server reaches it."""
        link = self._pick(index, whom).client.link
        link.whole, link.refusing = False, refusing
        self._pass(0.03)

    @rule(index=INDEX, whom=st.sampled_from(["decider", "any"]), count=st.integers(1, 3))
    def lose_answers(self, index: int, whom: str, count: int) -> None:
        """Writes are made, and whoever made them does not hear of it."""
        self._pick(index, whom).client.link.answers_to_lose += count
        self._pass(0.03)

    @rule(index=INDEX, whom=st.sampled_from(["decider", "any"]), slowest=st.sampled_from([0.3, 2.5]))
    def slow_down(self, index: int, whom: str, slowest: float) -> None:
        """Requests and events of a replica take their time."""
        self._pick(index, whom).client.link.latency = (0.0, slowest)
        self._pass(0.03)

    @rule(index=INDEX, kinds=st.sampled_from([{"pods"}, {"leases"}, {"pods", "leases"}]))
    def hold_watches(self, index: int, kinds: set[str]) -> None:
        """Watches of a replica stand, without anybody's being told."""
        self._pick(index, "any").client.link.held |= kinds
        self._pass(0.03)

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

    def _pass(self, seconds: float) -> None:
        self.cluster.loop.run(seconds)

    def _pick(self, index: int, whom: str) -> SimulatedReplica:
        """One of the replicas that are there; the one that decides, if it is asked for and known."""
        if whom == "decider" and (decider := self.cluster.decider()) is not None:
            return decider
        if not self.cluster.living():
            self.cluster.start_replica()
        return _pick(self.cluster.living(), index)


def _pick(items: list[ItemT], index: int) -> ItemT:
    return items[index % len(items)]
