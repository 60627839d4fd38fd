"""One replica of the long histories: the real core beside the oracle, and a view of the cluster that lags."""

from dataclasses import dataclass, field
from typing import Final

from tests.model.frozen import check, freeze
from tests.model.oracle import Oracle, holds

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey
from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import (
    AddressRequest,
    Allocated,
    Decision,
    Exhausted,
    InDoubt,
    Refused,
    Undecided,
    Unreserved,
)

BOUND: Final = 100.0


@dataclass
class Seen:
    """An object's state that the view has yet to be told, and its number among all changes in the cluster."""

    change: int
    holder: Holder | None


@dataclass
class Lease:
    """The Lease, and which replica has it."""

    holder: int | None = None
    reserved: frozenset[int] = frozenset()
    seen: int = 0
    last: int | None = None


@dataclass
class View:
    """What a replica has yet to be told, by name, and how far the cluster was when it asked."""

    untold: dict[str, list[Seen]] = field(default_factory=dict)
    reads: list[tuple[float, int]] = field(default_factory=list)

    def seen_up_to(self, changes: int) -> int:
        """The change up to which everything was told, of so many."""
        return min((row[0].change - 1 for row in self.untold.values() if row), default=changes)


class ComparedReplica:
    """Tells the core and the oracle the same, and compares what they say."""

    def __init__(self, pool: Pool, cool_down: float) -> None:
        self.allocator = Allocator(Ledger(pool, in_flight_bound=BOUND, cool_down=cool_down))
        self.oracle = Oracle([], BOUND, cool_down)
        self.view = View()
        self.replace_pool(pool)

    def replace_pool(self, pool: Pool) -> None:
        """A user edits the range."""
        self.allocator.replace_pool(pool)
        self.oracle.addresses = [pool.address_at(position) for position in range(pool.size)]

    def tell(self, key: ObjectKey, seen: Seen, now: float) -> None:
        """The view of one object moves on."""
        if seen.holder is None:
            self.allocator.ledger.vanish(key, now)
        else:
            self.allocator.ledger.observe(seen.holder, now, seen.change)
        self.oracle.see(key, seen.holder, now)

    def pass_barrier(self, changes: int) -> None:
        """What can no longer come ends, by every read that the view has come as far as."""
        for moment, change in [read for read in self.view.reads if read[1] <= self.view.seen_up_to(changes)]:
            self.view.reads.remove((moment, change))
            self.allocator.ledger.pass_barrier(moment, {"Pod": change})
            self.oracle.pass_barrier(moment)

    def acquire(self, lease: Lease, now: float) -> None:
        """The Lease is ours."""
        self.allocator.acquire(lease.reserved, lease.last, now)
        self.oracle.acquire(lease.reserved, now)

    def step_down(self) -> None:
        """The Lease is somebody else's."""
        self.allocator.step_down()
        self.oracle.step_down()

    def begin_write(self, asked: tuple[int, ...], needed: int, lease: Lease) -> Lease:
        """What the Lease says once the write has been made; it is under way from now on."""
        names = self.allocator.next_update(asked, needed)
        assert names.complete
        assert names.reserved >= {*asked, *self.oracle.unseen()}
        rest = names.reserved - self.oracle.unseen() - set(asked)
        assert rest <= set(self.oracle.addresses), "set aside outside the pool"
        self.allocator.reservations.begin_write(names.reserved)
        self.oracle.doubtful |= self.oracle.reserved - names.reserved
        return self._written(lease, names.reserved, names.last)

    def last_write(self, lease: Lease) -> Lease:
        """What the Lease says once it was handed over."""
        names = self.allocator.last_update()
        assert names.reserved == self.oracle.unseen()
        return self._written(lease, names.reserved, names.last)

    def confirm(self, lease: Lease) -> None:
        """The Lease is known to say this."""
        self.allocator.reservations.confirm(lease.reserved)
        self.oracle.reserved, self.oracle.doubtful = lease.reserved, frozenset()

    def decide(self, request: AddressRequest, now: float) -> Decision | Undecided | Unreserved:
        """Ask the core, first as a dry run; the oracle must agree."""
        self.allocator.ledger.end_cooling(now)
        before = freeze(self.allocator)
        dry = self.allocator.decide(request._replace(dry_run=True), now)
        assert freeze(self.allocator) == before, "a dry run changed the state"
        decision = self.allocator.decide(request, now)
        assert isinstance(decision, Unreserved) or decision == dry
        assert isinstance(decision, Allocated) or freeze(self.allocator) == before
        self._judge(request, decision, now)
        if isinstance(decision, Unreserved):
            assert isinstance(dry, Allocated)
            assert {*decision.addresses} == set(dry.addresses)
            assert not self._reserved_of().issuperset(decision.addresses)
        if isinstance(decision, Allocated):
            assert set(decision.addresses) <= self._reserved_of()
            for address in decision.addresses:
                self.oracle.allocate(address, request.party, now)
        return decision

    def compare(self, now: float) -> None:
        """What is held, in flight, in doubt, cooling and free."""
        ledger, oracle = self.allocator.ledger, self.oracle
        ledger.end_cooling(now)
        check(self.allocator)
        seen = {key: (holder.uid, holds(holder)) for key, holder in oracle.seen.items() if holds(holder)}
        assert {holder.key: (holder.uid, holds(holder)) for holder in ledger.holders()} == seen
        assert ledger.held_count == len(oracle.held())
        ways = {address: (way.party, way.last_granted, way.admissions) for address, way in oracle.ways.items()}
        in_flight = {address: ledger.latest_allocation(address) for address in oracle.ways}
        assert {a: (each.party, each.allocated_at, each.admissions) for a, each in in_flight.items() if each} == ways
        assert ledger.in_flight_count == len(ways)
        assert ledger.in_doubt_count == len(oracle.in_doubt)
        assert all(map(ledger.is_in_doubt, oracle.in_doubt))
        since = [oracle.inherited_at, *(way.last_granted for way in oracle.ways.values())]
        assert ledger.oldest_unseen() == min((each for each in since if each is not None), default=None)
        assert ledger.cooling_count == len(oracle.cooling(now))
        assert ledger.free_count == len(oracle.free(now))
        assert all(map(ledger.is_free, oracle.free(now)))
        everything = oracle.held() | oracle.unseen() | {*oracle.addresses} | oracle.reserved
        assert {
            address for address in everything if address in self.allocator.reservations
        } == everything & self._reserved_of()

    def _judge(self, request: AddressRequest, decision: Decision | Undecided | Unreserved, now: float) -> None:
        oracle, wanted = self.oracle, request.wanted
        free, early = oracle.choice(wanted, now)
        missing = wanted.count(None) - len(free) - len(early)
        if not oracle.is_allowed(request.party, wanted):
            assert isinstance(decision, Refused)
        elif oracle.in_doubt.intersection(a for a in wanted if a is not None):
            assert isinstance(decision, InDoubt)
        elif missing > 0:
            hidden = oracle.in_doubt & set(oracle.addresses) - oracle.held()
            assert isinstance(decision, InDoubt if len(hidden) >= missing else Exhausted)
            assert isinstance(decision, InDoubt) or decision.missing == missing
        elif isinstance(decision, Allocated):
            assert all(given in (None, address) for address, given in zip(decision.addresses, wanted, strict=True))
            chosen = {address for address, given in zip(decision.addresses, wanted, strict=True) if given is None}
            assert len(set(decision.addresses)) == len(wanted)
            assert chosen <= free | early
            assert chosen <= free or chosen > free, "given early, though others are free"
        else:
            assert isinstance(decision, Unreserved)
            assert decision.automatic == wanted.count(None)

    def _written(self, lease: Lease, reserved: frozenset[int], last: int | None) -> Lease:
        seen = max(lease.seen, self.allocator.ledger.sighted.get("Pod", 0))
        return Lease(lease.holder, reserved, seen, lease.last if last is None else last)

    def _reserved_of(self) -> set[int]:
        return set(self.oracle.reserved - self.oracle.doubtful)
