"""Long random histories of a middle-sized cluster with two replicas: each does what an oracle says, and is safe."""

from dataclasses import dataclass, field, replace
from typing import Final

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.model.frozen import FrozenAllocator, freeze
from tests.model.oracle import holds
from tests.model.replicas import BOUND, ComparedReplica, Lease, Seen

from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, EmptyPoolError, Pool
from kubemacpool.core.requests import AddressRequest, Allocated, Unreserved

BASE: Final = 0x02_00_00_00_00_00
SIZE: Final = 40
COOL_DOWN: Final = 60.0
ATTEMPTS: Final = 3
NAMES: Final = [f"web-{number}" for number in range(8)] + ["db-0", "db-1", "db-2", "db-3"]
PREFIXES: Final = ["web-", "db-", "we"]

ASKED = st.one_of(st.none(), st.integers(BASE + 1, BASE + SIZE + 5))
REPLICAS = st.sampled_from([0, 1])


@dataclass
class Admission:
    """On its way from us to the store; it can be persisted until its bound has passed."""

    name: str
    addresses: tuple[int, ...]
    allocated_at: float


@dataclass
class Cluster:
    """What exists, by name."""

    objects: dict[str, Holder] = field(default_factory=dict)
    existing: set[str] = field(default_factory=set)
    newest: dict[str, int] = field(default_factory=dict)
    changes: int = 0
    persisted: int = 0


class LongHistories(RuleBasedStateMachine):
    """Parties that come and go, views that lag, a Lease that changes hands, a pool that changes."""

    cool_down = COOL_DOWN

    def __init__(self) -> None:
        super().__init__()
        self.cluster = Cluster()
        self.admissions: list[Admission] = []
        self.lease = Lease()
        self.pool = Pool([AddressRange(BASE + 1, BASE + SIZE)])
        self.replicas = [ComparedReplica(self.pool, self.cool_down) for _ in range(2)]
        self.caught_up = False
        self.deposed: int | None = None
        self.now = 1_000.0
        self.requests = 0
        self.acquire(0, afresh=True)

    # Time, and what users do

    @rule(seconds=st.sampled_from([0.5, 20.0, 60.0, 100.0]))
    def time_passes(self, seconds: float) -> None:
        """An admission whose bound has passed is given up; every other step takes no time."""
        self.now += seconds
        self.admissions = [each for each in self.admissions if each.allocated_at + BOUND > self.now]

    @precondition(lambda self: self.caught_up)
    @rule(name=st.sampled_from(NAMES), wanted=st.lists(ASKED, min_size=1, max_size=4).map(tuple))
    def create_by_name(self, name: str, wanted: tuple[int | None, ...]) -> None:
        """Also while an object of that name exists, or an earlier admission is under way."""
        self._create(Party("Pod", "ns", name), name, wanted)

    @precondition(lambda self: self.caught_up)
    @rule(prefix=st.sampled_from(PREFIXES), wanted=st.lists(ASKED, min_size=1, max_size=4).map(tuple), data=st.data())
    def create_by_prefix(self, prefix: str, wanted: tuple[int | None, ...], data: st.DataObject) -> None:
        """The API server may come to a name that a user comes to as well."""
        self.requests += 1
        names = [name for name in NAMES if name.startswith(prefix)]
        name = data.draw(st.sampled_from([f"{prefix}x{self.requests}", *names]))
        self._create(Party("Pod", "ns", "", prefix, f"request-{self.requests}"), name, wanted)

    @precondition(lambda self: self.caught_up)
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
        self._change(key.name, Holder(key, f"uid-{self.cluster.persisted}", Party(*key), admission.addresses))

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
        self._change(name, None)

    @precondition(lambda self: self.cluster.objects)
    @rule(data=st.data())
    def complete(self, data: st.DataObject) -> None:
        """An object has completed."""
        self._change(data.draw(st.sampled_from(sorted(self.cluster.objects))), None)

    @precondition(lambda self: self.cluster.objects)
    @rule(data=st.data())
    def edit(self, data: st.DataObject) -> None:
        """An annotation changes on an object that lives; its interfaces are reported as they are."""
        holder = data.draw(st.sampled_from(list(self.cluster.objects.values())))
        said = data.draw(st.lists(st.sampled_from(sorted(holds(holder))), unique=True)) if holds(holder) else []
        edited = holder._replace(addresses=tuple(said), attached=tuple(sorted(holds(holder))))
        self._change(holder.key.name, edited)

    @precondition(lambda self: any(each.attached for each in self.cluster.objects.values()))
    @rule(data=st.data())
    def unplug(self, data: st.DataObject) -> None:
        """What an annotation does not say any more is unplugged, and that is reported."""
        edited = [each for each in self.cluster.objects.values() if each.attached]
        holder = data.draw(st.sampled_from(edited))
        self._change(holder.key.name, holder._replace(attached=holder.addresses))

    @rule(number=REPLICAS, first=st.integers(1, SIZE), length=st.integers(1, SIZE), hole=st.integers(1, SIZE))
    def replace_pool(self, number: int, first: int, length: int, hole: int) -> None:
        """A user edits the range; one of the replicas is the first to know."""
        try:
            ranges = AddressRange(BASE + first, BASE + first + length - 1)
            pool = Pool([ranges], [AddressRange(BASE + hole, BASE + hole + 3)], seed=length)
        except EmptyPoolError:
            return
        self.replicas[number].replace_pool(pool)
        self.pool = pool

    # What replicas see

    @precondition(lambda self: any(any(each.view.untold.values()) for each in self.replicas))
    @rule(data=st.data())
    def see(self, data: st.DataObject) -> None:
        """An event, or what a relist shows of one object: then some states are passed over."""
        rows = [(n, name) for n, each in enumerate(self.replicas) for name, row in each.view.untold.items() if row]
        number, name = data.draw(st.sampled_from(sorted(rows)))
        row = self.replicas[number].view.untold[name]
        upto = data.draw(st.integers(0, len(row) - 1))
        self.replicas[number].tell(ObjectKey("Pod", "ns", name), row[upto], self.now)
        del row[: upto + 1]

    @rule(number=REPLICAS)
    def relist(self, number: int) -> None:
        """Everything that exists is told, then what has gone."""
        self._relist(self.replicas[number])

    @rule(number=REPLICAS)
    def read_consistently(self, number: int) -> None:
        """Learn how far the cluster is, so that the view can be proven later."""
        self.replicas[number].view.reads.append((self.now, self.cluster.changes))

    @rule(number=REPLICAS)
    def pass_barrier(self, number: int) -> None:
        """Once the view has come as far as a read."""
        self.replicas[number].pass_barrier(self.cluster.changes)

    # Who leads

    @rule(number=REPLICAS, afresh=st.booleans())
    def acquire(self, number: int, *, afresh: bool) -> None:
        """From one that has gone, or that does not know of it yet; whoever has just been deposed notices first."""
        if self.lease.holder == number:
            return
        self.notice()
        self.deposed = self.lease.holder
        self.lease = replace(self.lease, holder=number)
        self._holder().acquire(self.lease, self.now)
        self.catch_up(afresh=afresh)

    @precondition(lambda self: not self.caught_up)
    @rule(afresh=st.booleans())
    def catch_up(self, *, afresh: bool) -> None:
        """Decide once the view is as new as the Lease asked."""
        replica = self._holder()
        if afresh:
            self._relist(replica)
        self.caught_up = replica.view.seen_up_to(self.cluster.changes) >= self.lease.seen

    @precondition(lambda self: self.deposed is not None)
    @rule()
    def notice(self) -> None:
        """That somebody else decides now."""
        if self.deposed is not None:
            self.replicas[self.deposed].step_down()
        self.deposed = None

    @rule(made=st.booleans(), answered=st.booleans())
    def renew(self, *, made: bool, answered: bool) -> None:
        """Write the Lease; the write may be lost, or its answer."""
        written = self._holder().begin_write((), 0, self.lease)
        if made:
            self.lease = written
        if made and answered:
            self._holder().confirm(written)

    @rule(afresh=st.booleans())
    def hand_over(self, *, afresh: bool) -> None:
        """In good order: having read the Lease, if an answer was lost."""
        holder, other = self._holder(), 1 - (self.lease.holder or 0)
        holder.confirm(self.lease)
        self.lease = replace(holder.last_write(self.lease), holder=None)
        holder.step_down()
        self.acquire(other, afresh=afresh)

    @rule(number=REPLICAS, afresh=st.booleans())
    def crash(self, number: int, *, afresh: bool) -> None:
        """A new process takes its place, with a list of what exists, and the other one decides."""
        self.replicas[number] = ComparedReplica(self.pool, self.cool_down)
        self._relist(self.replicas[number])
        if self.deposed == number:
            self.deposed = None
        if self.lease.holder == number:
            self.lease = replace(self.lease, holder=None)
            self.acquire(1 - number, afresh=afresh)

    # What must always be so

    @invariant()
    def no_address_is_held_by_two_parties(self) -> None:
        """The promise that everything else is there for."""
        held = [address for holder in self.cluster.objects.values() for address in holds(holder)]
        assert len(set(held)) == len(held)

    @invariant()
    def the_lease_names_whatever_may_be_on_its_way(self) -> None:
        """The idea from which everything follows."""
        assert self.lease.reserved.issuperset(address for each in self.admissions for address in each.addresses)

    @invariant()
    def every_replica_knows_what_its_oracle_knows(self) -> None:
        """What is held, in flight, in doubt, cooling, free and open."""
        for replica in self.replicas:
            replica.compare(self.now)

    def teardown(self) -> None:
        """Nothing leaks: whatever has happened, in the end every address is free, and the Lease lists none."""
        self.admissions.clear()
        for name in sorted(self.cluster.existing):
            self._change(name, None)
        self.now += BOUND + COOL_DOWN
        for replica in self.replicas:
            self._relist(replica)
            replica.allocator.ledger.pass_barrier(self.now)
            replica.allocator.ledger.end_cooling(self.now + COOL_DOWN)
            assert replica.allocator.ledger.free_count == replica.allocator.ledger.pool.size
            assert not replica.allocator.last_update().reserved
            replica.allocator.step_down()
            assert freeze(replica.allocator)._replace(last=-1, end=-1) == FrozenAllocator()

    def _holder(self) -> ComparedReplica:
        assert self.lease.holder is not None
        return self.replicas[self.lease.holder]

    def _create(self, party: Party, name: str, wanted: tuple[int | None, ...]) -> None:
        """As `AddressAllocation.allocate`: what is not named is named, and everything asked again."""
        holder, request = self._holder(), AddressRequest(party, wanted)
        for _ in range(ATTEMPTS):
            decision = holder.decide(request, self.now)
            if not isinstance(decision, Unreserved):
                break
            self.lease = holder.begin_write(decision.addresses, decision.automatic, self.lease)
            holder.confirm(self.lease)
        else:
            raise AssertionError("named in vain")
        if isinstance(decision, Allocated):
            self.admissions.append(Admission(name, decision.addresses, self.now))

    def _change(self, name: str, holder: Holder | None) -> None:
        """An object carries these addresses from now on."""
        self.cluster.changes += 1
        self.cluster.newest[name] = self.cluster.changes
        for replica in self.replicas:
            replica.view.untold.setdefault(name, []).append(Seen(self.cluster.changes, holder))
        if holder is None:
            self.cluster.objects.pop(name, None)
        else:
            self.cluster.objects[name] = holder

    def _relist(self, replica: ComparedReplica) -> None:
        for name in sorted(self.cluster.newest, key=lambda name: name not in self.cluster.objects):
            seen = Seen(self.cluster.newest[name], self.cluster.objects.get(name))
            replica.tell(ObjectKey("Pod", "ns", name), seen, self.now)
        replica.view.untold.clear()


class LongHistoriesWithoutCoolDown(LongHistories):
    """An address is free as soon as it is released."""

    cool_down = 0.0


BOUNDED: Final = settings(
    max_examples=200,
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


def test_what_was_unplugged_between_two_looks_is_kept_by_whoever_did_not_see_it_plugged_in() -> None:
    """A list tells the newest state alone; that the interface was reported, and then was no more, is not in it."""
    replica = ComparedReplica(Pool([AddressRange(BASE + 1, BASE + SIZE)]), 0.0)
    key = ObjectKey("Pod", "ns", "web-0")
    holder = Holder(key, "uid-1", Party(*key), (BASE + 1,))
    for change, (said, attached) in enumerate((((BASE + 1,), None), ((), ())), 1):
        replica.tell(key, Seen(change, holder._replace(addresses=said, attached=attached)), 0.0)
        replica.compare(0.0)
    assert replica.allocator.ledger.held_count == 1
    for change, reported in enumerate(((BASE + 1,), ()), 3):
        replica.tell(key, Seen(change, holder._replace(addresses=(), attached=reported)), 0.0)
        replica.compare(0.0)
    assert replica.allocator.ledger.held_count == 0
