"""The ledger after whatever history: as if it were made anew of what there is, and empty when there is nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule
from tests.unit.core.crowds import Crowded
from tests.unit.core.family_oracle import FamilyOracle, Present, keys, owner_for, owners, uids
from tests.unit.core.subjects import BOUND, COOL_DOWN, at, pool

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party
from kubemacpool.core.population import Population
from kubemacpool.core.requests import AddressRequest, Unreserved

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kubemacpool.core.families import OwnerReference

SIZE: Final = 6
ADDRESSES: Final = [at(number) for number in range(1, SIZE + 3)]
"""Two of them are outside the pool."""

POOLS: Final = {"as it was": pool(1, SIZE), "another": pool(3, SIZE + 2), "larger": pool(1, 64)}
NAMESPACES: Final = ("ns", "elsewhere")

addresses = st.sampled_from(ADDRESSES)
carried = st.lists(addresses, max_size=4).map(tuple)
parties = st.sampled_from(
    [Party(kind, name, "a") for kind in (POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE) for name in NAMESPACES]
)
MIGRATION: Final = {
    Party(kind, name, "a"): Party(VIRTUAL_MACHINE, "ns", "a")
    for kind in (VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)
    for name in NAMESPACES
}
"""From one namespace to the other; by party, the one as which it counts."""

wishes = st.lists(st.none() | addresses, min_size=1, max_size=3, unique_by=lambda each: each or object()).map(tuple)


class LedgerHistory(RuleBasedStateMachine):
    """A cluster as nobody would expect it, seen by a leader now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.ledger = Ledger(POOLS["as it was"], in_flight_bound=BOUND, cool_down=COOL_DOWN)
        self.population = Population(self.ledger)
        self.allocator = Allocator(self.ledger)
        self.families = FamilyOracle()
        self.carried: dict[ObjectKey, tuple[int, ...]] = {}
        self.carriers: dict[int, list[ObjectKey]] = {each: [] for each in ADDRESSES}
        self.one: dict[Party, Party] = {}
        self.cooling: dict[int, tuple[float, str]] = {}
        self.now = 1.0
        self.in_office = False
        self.told: dict[int, frozenset[tuple[ObjectKey, str]]] = {}
        self.touched: set[int] = set()

    # What happens

    @rule(key=keys, uid=uids, owner=owners, carries=carried)
    def see(self, key: ObjectKey, uid: str, owner: OwnerReference | None, carries: tuple[int, ...]) -> None:
        """An object is there, be it new, changed or in the place of another; a pod keeps what it has while it lives."""
        owner = owner_for(key, owner)
        if key.kind == POD and key in self.carried and self.families.present[key].uid == uid:
            carries = self.carried[key]
        kind = self._kind(key)
        self.population.see(Holder(key, uid, Party(*key), carries), owner, self.now, 7)
        self.families.put(key, Present(uid, owner))
        self._carry(key, tuple(dict.fromkeys(carries)), kind)

    @rule(key=keys)
    def go(self, key: ObjectKey) -> None:
        """It is not."""
        kind = self._kind(key)
        self.population.gone(key, self.now)
        self.families.put(key, None)
        self._carry(key, (), kind)

    @rule(order=st.randoms(use_true_random=False))
    def rebuild(self, order: object) -> None:
        """All is told anew, in another order; who was outlived by children is not known any more."""
        self.population.begin_anew()
        self.families.outlived = {}
        told = list(self.families.present)
        order.shuffle(told)  # type: ignore[attr-defined]  # Hypothesis does not name its type
        for known in self.carriers.values():
            known.sort(key=told.index)
        for key in told:
            present = self.families.present[key]
            holder = Holder(key, present.uid, Party(*key), self.carried.get(key, ()))
            self.population.see(holder, present.owner, self.now, 7)
        self.ledger.unite(self.one)

    @rule(one=st.sampled_from(({}, MIGRATION)))
    def migrate(self, one: dict[Party, Party]) -> None:
        """A machine begins to move to the other namespace, or has ended to."""
        self.ledger.unite(one or dict.fromkeys(MIGRATION))
        self.one = one

    @rule(seconds=st.sampled_from((1.0, COOL_DOWN / 2, BOUND)))
    def wait(self, seconds: float) -> None:
        """Time goes on."""
        self.now += seconds

    @rule(
        party=parties,
        wanted=wishes,
        shared=st.booleans(),
        dependent=st.booleans(),
        dry_run=st.booleans(),
        had=st.frozensets(addresses, max_size=1),
    )
    @precondition(lambda self: self.in_office)
    def ask(
        self,
        *,
        party: Party,
        wanted: tuple[int | None, ...],
        shared: bool,
        dependent: bool,
        dry_run: bool,
        had: frozenset[int],
    ) -> None:
        """Somebody is allocated something, or is not."""
        self.ledger.end_cooling(self.now)
        self.cooling = {each: cooling for each, cooling in self.cooling.items() if cooling[0] + COOL_DOWN > self.now}
        request = AddressRequest(
            party,
            wanted,
            had,
            dry_run,
            Party(POD, party.namespace, "", "a") if dependent else None,
            shared=frozenset(ADDRESSES) if shared else frozenset(),
        )
        for _ in range(3):
            decision = self.allocator.decide(request, self.now)
            if not isinstance(decision, Unreserved):
                break
            fitting = self.allocator.fitting([], [decision])
            assert fitting == [None]
            names = self.allocator.next_update(decision.addresses, decision.automatic)
            self.allocator.reservations.begin_write(names.reserved)
            self.allocator.reservations.confirm(names.reserved)

    @rule(reserved=st.lists(addresses, max_size=3), first=st.booleans())
    def acquire(self, reserved: list[int], *, first: bool) -> None:
        """The Lease is ours."""
        self.allocator.acquire(reserved, None, self.now, first=first)
        self.in_office = True
        self.told = {}
        self.touched = self._shared()

    @rule()
    def step_down(self) -> None:
        """It is somebody else's."""
        self.allocator.step_down()
        self.in_office = False

    @rule(ago=st.sampled_from((0.0, BOUND / 2)))
    def pass_barrier(self, ago: float) -> None:
        """What was not seen by now does not come any more."""
        self.ledger.pass_barrier(self.now - ago)

    @rule(name=st.sampled_from(sorted(POOLS)))
    def replace_pool(self, name: str) -> None:
        """Somebody edits the range."""
        self.allocator.replace_pool(POOLS[name])

    @rule()
    @precondition(lambda self: self.in_office)
    def look(self) -> None:
        """Somebody asks which collisions have changed."""
        taken = self.ledger.take_changed_collisions()
        assert len(set(taken)) == len(taken)
        there = self._colliding()
        changed = {each for each in ADDRESSES if there.get(each) != self.told.get(each)}
        assert changed <= set(taken) <= self.touched
        assert self.ledger.take_changed_collisions() == []
        self.told = there
        self.touched = self._shared()

    # What has to be

    @invariant()
    def holders_are_those_that_carry_something(self) -> None:
        """Each with the party that it is of by what there is."""
        expected = {}
        for key, carries in self.carried.items():
            party, owned = self._holder(key)
            expected[key] = Holder(key, self.families.present[key].uid, party, carries, owned)
        assert {holder.key: holder for holder in self.ledger.holders()} == expected
        assert all(self.population.families.party_of(key) == self._holder(key)[0] for key in self.families.present)
        assert self.ledger.held_count == sum(map(bool, self.carriers.values()))
        for address, known in self.carriers.items():
            assert [holder.key for holder in self.ledger.holders_of(address)] == known

    @invariant()
    def whose_an_address_is_is_found_by_whoever_asks(self) -> None:
        """A machine and the instance of its name may have it together, and so may those that are one."""
        for address, known in self.carriers.items():
            owners_there = [self._owner(self._holder(key)[0]) for key in known]
            for party in (Party(kind, "ns", "a") for kind in (POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE)):
                mine = self._owner(party)
                assert self.ledger.held_by(address, party) == (mine in owners_there)
                other = self.ledger.other_holder(address, party)
                assert (other is None) == all(each == mine for each in owners_there)
                assert other is None or self._owner(other) in owners_there

    @invariant()
    def collisions_are_those_of_running_objects_of_several_parties(self) -> None:
        """Launcher pods count with their instance."""
        there = self._colliding()
        self.touched |= self._shared()
        assert self.ledger.collisions() == {address: len(objects) for address, objects in there.items()}
        for address in ADDRESSES:
            found = {(holder.key, holder.uid) for holder in self.ledger.colliding(address)}
            assert found == there.get(address, frozenset())

    @invariant()
    def free_is_what_nobody_has_and_nothing_cools(self) -> None:
        """And the search finds it."""
        ledger, there = self.ledger, self.ledger.pool
        assert {each: (one.since, one.kind) for each, one in ledger._cooling.items()} == self.cooling
        held = {address for address, known in self.carriers.items() if known}
        in_use = held | {address for address, _ in ledger._in_flight} | set(ledger._in_doubt)
        taken = {each for each in range(there.size) if there.address_at(each) in in_use | set(self.cooling)}
        assert ledger.free_count == there.size - len(taken)
        for position in range(SIZE):
            assert ledger.is_free(there.address_at(position)) == (position not in taken)
            rest = (each % there.size for each in range(position, position + there.size))
            assert ledger.next_free(position) == next((each for each in rest if each not in taken), None)
        early = {
            address
            for address, (_, kind) in self.cooling.items()
            if kind == POD and address in there and address not in in_use
        }
        assert {address for address, _ in ledger.coolest()} == early
        assert ledger.returning_count == len({there.address_at(each) for each in taken} - held - early)

    @invariant()
    def counts_are_those_of_what_there_is(self) -> None:
        """By namespace, and in all."""
        ledger, allocations = self.ledger, list(self.ledger._in_flight)
        reserved = [
            (address, allocation.party)
            for address, allocation in allocations
            if ledger.is_named_for(address, allocation.party)
        ]
        in_flight = {name: sum(party.namespace == name for _, party in reserved) for name in NAMESPACES}
        assert ledger.in_flight() == {name: count for name, count in in_flight.items() if count}
        assert ledger.unseen_count == len({address for address, _ in reserved}) + len(ledger._in_doubt)
        assert sorted(ledger.unseen()) == sorted([*{address for address, _ in reserved}, *ledger._in_doubt])
        assert ledger.in_flight_count == len({address for address, _ in allocations})
        assert (ledger.in_doubt_count, ledger.cooling_count) == (len(ledger._in_doubt), len(self.cooling))
        for name in NAMESPACES:
            assert ledger.in_flight_of(name) == in_flight[name]
            used = {address for address, known in self.carriers.items() if any(key.namespace == name for key in known)}
            used |= {address for address, allocation in allocations if allocation.party.namespace == name}
            assert {address for address in ADDRESSES if ledger.is_used_in(address, name)} == used & set(ADDRESSES)
            assert ledger.used_in(name) == len(used)

    @invariant()
    def latecomers_carry_what_they_came_late_to(self) -> None:
        """Who has it no more is none."""
        for address, late in self.ledger._latecomers._parties.items():
            assert late
            assert all(self.ledger.held_by(address, party) for party in late)

    def teardown(self) -> None:
        """All go, what was on its way comes to nothing, and nothing is remembered."""
        for key in list(self.families.present):
            self.go(key)
        self.ledger.unite(dict.fromkeys(MIGRATION))
        self.allocator.step_down()
        self.ledger.end_cooling(self.now + 4 * BOUND)
        parts = (
            self.ledger,
            self.ledger._carriers,
            self.ledger._collisions,
            self.ledger._in_flight,
            self.ledger._departures,
            self.ledger._latecomers,
            self.ledger._withheld,
            self.ledger._unity,
            self.population.families,
        )
        for part in parts:
            left = {
                name: each
                for name, each in vars(part).items()
                if isinstance(each, dict | set | list) and name not in {"_sighted", "_doubts"}
            }
            assert not any(left.values()), (type(part).__name__, left)
        assert self.ledger._occupancy.taken == 0
        assert not self.ledger._occupancy._chunks

    # What there is

    def _holder(self, key: ObjectKey) -> tuple[Party, bool]:
        """Whose an object is, and whether it says that it is somebody's."""
        present = self.families.present.get(key)
        return self.families.party_of(key), present is not None and present.owner is not None

    def _kind(self, key: ObjectKey) -> str:
        """As what an object's addresses cool down."""
        party, owned = self._holder(key)
        return VIRTUAL_MACHINE_INSTANCE if owned else party.kind

    def _carry(self, key: ObjectKey, carries: Sequence[int], kind: str) -> None:
        """An object carries these from now on; what nobody carries any more cools, as of this kind."""
        for address in carries:
            if key not in self.carriers[address]:
                self.carriers[address].append(key)
        for address in self.carried.pop(key, ()):
            if address not in carries:
                self.carriers[address].remove(key)
                if not self.carriers[address]:
                    self.cooling[address] = (self.now, kind)
        if carries:
            self.carried[key] = tuple(carries)

    def _shared(self) -> set[int]:
        """Where there may be a collision, be it for a moment in the middle of a step."""
        return {address for address, known in self.carriers.items() if len(known) > 1}

    def _as_one(self, party: Party) -> Party:
        return self.one.get(party, party)

    def _owner(self, party: Party) -> Party:
        one = self._as_one(party)
        return one._replace(kind=VIRTUAL_MACHINE) if one.kind == VIRTUAL_MACHINE_INSTANCE else one

    def _colliding(self) -> dict[int, frozenset[tuple[ObjectKey, str]]]:
        """By address, the running objects that share it, where they are of several parties."""
        found: dict[int, frozenset[tuple[ObjectKey, str]]] = {}
        for address, known in self.carriers.items():
            running = {key: self._as_one(self._holder(key)[0]) for key in known if key.kind != VIRTUAL_MACHINE}
            led = {party for key, party in running.items() if key.kind == VIRTUAL_MACHINE_INSTANCE}
            if len(set(running.values())) > 1:
                counted = (key for key, party in running.items() if key.kind != POD or party not in led)
                found[address] = frozenset((key, self.families.present[key].uid) for key in counted)
        return found


class CrowdedLedgerHistory(Crowded, LedgerHistory):
    """The same where three that carry one address are a crowd."""


TestLedgerHistory = LedgerHistory.TestCase
TestLedgerHistory.settings = settings(max_examples=50, stateful_step_count=25, deadline=None)

TestCrowdedLedgerHistory = CrowdedLedgerHistory.TestCase
TestCrowdedLedgerHistory.settings = settings(max_examples=40, stateful_step_count=25, deadline=None)
