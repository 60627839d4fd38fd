"""Long random histories of a middle-sized cluster: the core does what a simple oracle says, and stays safe."""

from dataclasses import dataclass, field
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.model.frozen import check, freeze
from tests.model.oracle import Oracle

from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Exhausted, Granted, Refused
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool

BASE: Final = 0x02_00_00_00_00_00
SIZE: Final = 40
BOUND: Final = 100.0
COOL_DOWN: Final = 60.0
NAMES: Final = [f"web-{number}" for number in range(8)] + ["db-0", "db-1", "db-2", "db-3"]
PREFIXES: Final = ["web-", "db-", "we"]

ASKED = st.one_of(st.none(), st.integers(BASE + 1, BASE + SIZE + 5))


@dataclass
class Admission:
    """On its way from us to the store; it can be persisted until its bound has passed."""

    name: str
    addresses: tuple[int, ...]
    granted_at: float


@dataclass
class Seen:
    """An object's state that the view has yet to be told, and its number among all changes in the cluster."""

    change: int
    holder: Holder | None


@dataclass
class Cluster:
    """What exists, by name."""

    objects: dict[str, Holder] = field(default_factory=dict)
    existing: set[str] = field(default_factory=set)
    untold: dict[str, list[Seen]] = field(default_factory=dict)
    changes: int = 0
    persisted: int = 0

    def change(self, name: str, holder: Holder | None) -> None:
        """An object carries these addresses from now on."""
        self.changes += 1
        self.untold.setdefault(name, []).append(Seen(self.changes, holder))
        if holder is None:
            self.objects.pop(name, None)
        else:
            self.objects[name] = holder

    def seen_up_to(self) -> int:
        """The change up to which everything was told."""
        return min((row[0].change - 1 for row in self.untold.values() if row), default=self.changes)


class LongHistories(RuleBasedStateMachine):
    """Parties that come and go, a view that lags, a pool that changes."""

    cool_down = COOL_DOWN

    def __init__(self) -> None:
        super().__init__()
        pool = Pool([AddressRange(BASE + 1, BASE + SIZE)])
        self.decider = Decider(Ledger(pool, in_flight_bound=BOUND, cool_down=self.cool_down))
        self.oracle = Oracle(list(range(BASE + 1, BASE + SIZE + 1)), BOUND, self.cool_down)
        self.cluster = Cluster()
        self.admissions: list[Admission] = []
        self.reads: list[tuple[float, int]] = []
        self.now = 1_000.0
        self.requests = 0

    @rule(seconds=st.sampled_from([0.5, 20.0, 60.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        """An admission whose bound has passed is given up; every other step takes no time."""
        self.now += seconds
        self.admissions = [each for each in self.admissions if each.granted_at + BOUND > self.now]

    @rule(name=st.sampled_from(NAMES), wanted=st.lists(ASKED, min_size=1, max_size=4).map(tuple))
    def create_by_name(self, name: str, wanted: tuple[int | None, ...]) -> None:
        """Also while an object of that name exists, or an earlier admission is under way."""
        self._create(Party("Pod", "ns", name), name, wanted)

    @rule(prefix=st.sampled_from(PREFIXES), wanted=st.lists(ASKED, min_size=1, max_size=4).map(tuple), data=st.data())
    def create_by_prefix(self, prefix: str, wanted: tuple[int | None, ...], data: st.DataObject) -> None:
        """The API server may come to a name that a user comes to as well."""
        self.requests += 1
        names = [name for name in NAMES if name.startswith(prefix)]
        name = data.draw(st.sampled_from([f"{prefix}x{self.requests}", *names]))
        self._create(Party("Pod", "ns", "", prefix, f"request-{self.requests}"), name, wanted)

    @rule(name=st.sampled_from(NAMES), count=st.integers(10, SIZE))
    def create_with_many(self, name: str, count: int) -> None:
        """Bring the pool near its end."""
        self._create(Party("Pod", "ns", name), name, (None,) * count)

    @precondition(lambda self: self.admissions)
    @rule(data=st.data())
    def persist(self, data: st.DataObject) -> None:
        """One object of a name at a time."""
        admission = data.draw(st.sampled_from(self.admissions))
        if admission.name in self.cluster.existing:
            return
        self.admissions.remove(admission)
        self.cluster.persisted += 1
        self.cluster.existing.add(admission.name)
        key = ObjectKey("Pod", "ns", admission.name)
        holder = Holder(key, f"uid-{self.cluster.persisted}", Party(*key), admission.addresses)
        self.cluster.change(admission.name, holder)

    @precondition(lambda self: self.admissions)
    @rule(data=st.data())
    def drop(self, data: st.DataObject) -> None:
        """A quota, another webhook, a client that went away."""
        self.admissions.remove(data.draw(st.sampled_from(self.admissions)))

    @precondition(lambda self: self.cluster.existing)
    @rule(data=st.data())
    def delete(self, data: st.DataObject) -> None:
        """The object is gone from the store."""
        name = data.draw(st.sampled_from(sorted(self.cluster.existing)))
        self.cluster.existing.remove(name)
        self.cluster.change(name, None)

    @precondition(lambda self: self.cluster.objects)
    @rule(data=st.data())
    def carry_less(self, data: st.DataObject) -> None:
        """Its annotation changes, or, when nothing is left, it has completed."""
        holder = data.draw(st.sampled_from(list(self.cluster.objects.values())))
        kept = data.draw(st.lists(st.sampled_from(holder.addresses), unique=True, max_size=len(holder.addresses)))
        self.cluster.change(holder.key.name, holder._replace(addresses=tuple(kept)) if kept else None)

    @precondition(lambda self: any(self.cluster.untold.values()))
    @rule(data=st.data())
    def see(self, data: st.DataObject) -> None:
        """An event, or what a relist shows of one object: then some states are passed over."""
        name = data.draw(st.sampled_from(sorted(name for name, row in self.cluster.untold.items() if row)))
        row = self.cluster.untold[name]
        upto = data.draw(st.integers(0, len(row) - 1))
        self._tell(name, row[upto].holder)
        del row[: upto + 1]

    @rule()
    def relist(self) -> None:
        """Everything that exists is told, then what has gone."""
        for name, holder in self.cluster.objects.items():
            self._tell(name, holder)
        for name in self.cluster.untold:
            if name not in self.cluster.objects:
                self._tell(name, None)
        self.cluster.untold.clear()

    @rule()
    def read_consistently(self) -> None:
        """Learn how far the cluster is, so that the view can be proven later."""
        self.reads.append((self.now, self.cluster.changes))

    @precondition(lambda self: self.reads)
    @rule()
    def prove(self) -> None:
        """Once the view has come as far as a read."""
        for read in [read for read in self.reads if read[1] <= self.cluster.seen_up_to()]:
            self.reads.remove(read)
            self.decider.ledger.prove(read[0])
            self.oracle.prove(read[0])

    @rule(first=st.integers(1, SIZE), length=st.integers(1, SIZE))
    def replace_pool(self, first: int, length: int) -> None:
        """A user edits the range."""
        self.decider.replace_pool(Pool([AddressRange(BASE + first, BASE + first + length - 1)]))
        self.oracle.addresses = list(range(BASE + first, BASE + first + length))

    @invariant()
    def no_address_is_held_by_two_parties(self) -> None:
        """The promise that everything else is there for."""
        held = [address for holder in self.cluster.objects.values() for address in holder.addresses]
        assert len(set(held)) == len(held)

    @invariant()
    def the_ledger_is_what_the_oracle_says(self) -> None:
        """What is held, pending, cooling and free."""
        ledger, oracle = self.decider.ledger, self.oracle
        ledger.end_cooling(self.now)
        check(self.decider)
        assert {holder.key: holder for holder in ledger.holders()} == oracle.seen
        assert ledger.held_count == len(oracle.held())
        ways = {address: (way.party, way.last_granted, way.admissions) for address, way in oracle.ways.items()}
        pending = {address: ledger.pending(address) for address in oracle.ways}
        assert {a: (each.party, each.granted_at, each.admissions) for a, each in pending.items() if each} == ways
        assert ledger.pending_count == len(ways)
        assert ledger.oldest_pending() == min((way.last_granted for way in oracle.ways.values()), default=None)
        assert ledger.cooling_count == len(oracle.cooling(self.now))
        assert ledger.free_count == len(oracle.free(self.now))
        assert all(ledger.next_free(ledger.pool.position_of(each) or 0) is not None for each in oracle.free(self.now))

    def teardown(self) -> None:
        """Nothing leaks: whatever has happened, in the end every address is free."""
        self.admissions.clear()
        for name in sorted(self.cluster.existing):
            self.cluster.change(name, None)
        self.relist()
        self.now += BOUND + COOL_DOWN
        self.decider.ledger.prove(self.now)
        self.decider.ledger.end_cooling(self.now)
        assert self.decider.ledger.free_count == self.decider.ledger.pool.size
        assert freeze(self.decider)._replace(last=0) == ((), (), (), (), 0)

    def _create(self, party: Party, name: str, wanted: tuple[int | None, ...]) -> None:
        request = AddressRequest(party, wanted)
        self.decider.ledger.end_cooling(self.now)
        before = freeze(self.decider)
        dry = self.decider.decide(request._replace(dry_run=True), self.now)
        assert freeze(self.decider) == before
        decision = self.decider.decide(request, self.now)
        assert decision == dry
        free, early = self.oracle.choice(wanted, self.now)
        missing = wanted.count(None)
        if not self.oracle.is_allowed(party, wanted):
            assert isinstance(decision, Refused)
        elif missing > len(free) + len(early):
            assert isinstance(decision, Exhausted)
            assert decision.missing == missing - len(free) - len(early)
        else:
            assert isinstance(decision, Granted)
            chosen = [address for address, given in zip(decision.addresses, wanted, strict=True) if given is None]
            assert all(given in (None, address) for address, given in zip(decision.addresses, wanted, strict=True))
            assert chosen[: len(free)] == free[:missing]
            assert set(chosen[len(free) :]) <= set(early)
            self.oracle.last = ([self.oracle.last, *chosen[: len(free)]])[-1]
            for address in decision.addresses:
                self.oracle.grant(address, party, self.now)
            self.admissions.append(Admission(name, decision.addresses, self.now))
        assert isinstance(decision, Granted) or freeze(self.decider) == before

    def _tell(self, name: str, holder: Holder | None) -> None:
        key = ObjectKey("Pod", "ns", name)
        if holder is None:
            self.decider.ledger.vanish(key, self.now)
        else:
            self.decider.ledger.observe(holder, self.now)
        self.oracle.see(key, holder, self.now)


class LongHistoriesWithoutCoolDown(LongHistories):
    """An address is free as soon as it is released."""

    cool_down = 0.0


BOUNDED: Final = settings(
    max_examples=100,
    stateful_step_count=60,
    deadline=None,
    print_blob=True,
    suppress_health_check=[
        HealthCheck.too_slow
    ],  # one history is hundreds of draws, on a machine that others use as well
)

TestLongHistories = LongHistories.TestCase
TestLongHistories.settings = BOUNDED
TestLongHistoriesWithoutCoolDown = LongHistoriesWithoutCoolDown.TestCase
TestLongHistoriesWithoutCoolDown.settings = BOUNDED
