"""The real core as a transition table: state in, step, state out; each pair of state and step is run once.

The world around a leader has far more states than the leader, so remembering what the core answered makes the search
a matter of looking up. Every new state is checked against a recount.
"""

from collections.abc import Callable, Iterable
from typing import Final

from tests.model.frozen import (
    LONG,
    NOW,
    FrozenAllocator,
    FrozenFamilies,
    check,
    freeze,
    freeze_families,
    thaw,
    thaw_families,
)

from kubemacpool.core.allocator import Allocator, LeaseUpdate
from kubemacpool.core.families import Families, OwnerReference
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import Pool
from kubemacpool.core.population import Population
from kubemacpool.core.requests import AddressRequest, Allocated, Decision, Undecided, Unreserved

START: Final = 0

KIND: Final = "Pod"
VERSION: Final = 1
"""A resourceVersion: the real ones are counted by the world."""

Empty = Callable[[Pool, float], Allocator]
"""Makes a leader that knows nothing yet, with a pool and a cool-down; the bound is `LONG`."""


class CoreStates:
    """Every state in which the core was found, by number; `START` is the empty one."""

    def __init__(
        self,
        pool: Pool,
        empty: Empty,
        *,
        cool_down: float = LONG,
        reserved: Iterable[int] = (),
        families: type[Families] | None = None,
    ) -> None:
        """Start with an empty core.

        Args:
            pool: where it allocates from.
            empty: makes the core under test.
            cool_down: seconds; `LONG` for until a step of its own, or 0.
            reserved: what the Lease lists from the beginning.
            families: who belongs to whom, under test; None where there are pods only.
        """
        self.pool = pool
        self._empty = empty
        self._cool_down = cool_down
        self._families = families or Families
        self._has_machines = families is not None
        self._numbers: dict[tuple[FrozenAllocator, FrozenFamilies], int] = {}
        self.states: list[FrozenAllocator] = []
        self.families: list[FrozenFamilies] = []
        self._decided: dict[tuple[int, AddressRequest, int], tuple[Decision | Undecided | Unreserved, int]] = {}
        self._told: dict[tuple[int, ObjectKey, Holder | None, OwnerReference | None], tuple[int, bool]] = {}
        self._written: dict[tuple[int, tuple[int, ...], int], tuple[LeaseUpdate, int]] = {}
        self._confirmed: dict[tuple[int, frozenset[int]], int] = {}
        self._taken_over: dict[tuple[int, frozenset[int], int | None, int], int] = {}
        self._handed_over: dict[int, tuple[LeaseUpdate, int]] = {}
        self._stepped_down: dict[int, int] = {}
        self._forgotten: dict[int, int] = {}
        self._proven: dict[int, tuple[tuple[int, int, bool], ...]] = {}
        self._cooled: dict[int, tuple[int, ...]] = {}
        first = empty(pool, cool_down)
        first.reservations.confirm(reserved)
        self._number(first, FrozenFamilies())

    def __len__(self) -> int:
        return len(self.states)

    def decide(self, state: int, request: AddressRequest, moment: int) -> tuple[Decision | Undecided | Unreserved, int]:
        """Ask for addresses; before it the same as a dry run, which must say the same and change nothing (rule 10)."""
        known = self._decided.get((state, request, moment))
        if known is None:
            allocator = self._thawed(state)
            dry = allocator.decide(request._replace(dry_run=True), moment)
            assert freeze(allocator) == self.states[state], "a dry run changed the state"
            decision = allocator.decide(request, moment)
            if not isinstance(
                decision, Unreserved
            ):  # nothing is named for a dry run, so it is told what would come of it
                assert decision == dry, "a dry run decided otherwise"
            after = self._number(allocator, self.families[state])
            assert isinstance(decision, Allocated) or after == state, "a refusal changed the state"
            known = self._decided[state, request, moment] = decision, after
        return known

    def tell(
        self, state: int, key: ObjectKey, seen: Holder | None, owner: OwnerReference | None = None
    ) -> tuple[int, bool]:
        """Let the view of one object move on; also gives whether a successor must have seen as much."""
        known = self._told.get((state, key, seen, owner))
        if known is None:
            allocator = self._thawed(state)
            population = Population(allocator.ledger)
            population.families = thaw_families(self.families[state], self._families())
            if seen is None:
                if population.gone(key, NOW):  # `Follower.reached`
                    allocator.ledger.sight(key.kind, VERSION)
            else:
                population.see(seen, owner, NOW, VERSION)
            after = self._number(allocator, freeze_families(population.families))
            known = self._told[state, key, seen, owner] = after, self._is_sighted(allocator)
        return known

    def family(self, state: int, namespace: str, owner: OwnerReference) -> Party | None:
        """The party of whoever an object says it belongs to."""
        return thaw_families(self.families[state], self._families()).party_of_owner(namespace, owner)

    def write(self, state: int, asked: tuple[int, ...], needed: int) -> tuple[LeaseUpdate, int]:
        """What the next write of the Lease says, and the state from the moment at which it is sent."""
        known = self._written.get((state, asked, needed))
        if known is None:
            allocator = self._thawed(state)
            names = allocator.next_update(asked, needed)
            allocator.reservations.begin_write(names.reserved)
            known = self._written[state, asked, needed] = names, self._number(allocator, self.families[state])
        return known

    def confirm(self, state: int, reserved: frozenset[int]) -> int:
        """The Lease is known to name these."""
        known = self._confirmed.get((state, reserved))
        if known is None:
            allocator = self._thawed(state)
            allocator.reservations.confirm(reserved)
            known = self._confirmed[state, reserved] = self._number(allocator, self.families[state])
        return known

    def acquire(self, state: int, reserved: frozenset[int], last: int | None, moment: int) -> int:
        """The Lease is ours. Where the search went on before does not matter where the Lease says so."""
        if last is not None:
            state = self.forget_last(state)
        known = self._taken_over.get((state, reserved, last, moment))
        if known is None:
            allocator = self._thawed(state)
            allocator.acquire(reserved, last, moment)
            known = self._taken_over[state, reserved, last, moment] = self._number(allocator, self.families[state])
        return known

    def forget_last(self, state: int) -> int:
        """The same state for one that does not know where it was searching."""
        known = self._forgotten.get(state)
        if known is None:
            frozen = self.states[state]
            known = self._forgotten[state] = self._number(
                thaw(frozen._replace(last=-1, end=-1), self._empty(self.pool, self._cool_down)), self.families[state]
            )
        return known

    def step_down(self, state: int) -> int:
        """The Lease is somebody else's."""
        known = self._stepped_down.get(state)
        if known is None:
            allocator = self._thawed(state)
            allocator.step_down()
            known = self._stepped_down[state] = self._number(allocator, self.families[state])
        return known

    def hand_over(self, state: int) -> tuple[LeaseUpdate, int]:
        """What the last write of the Lease says, and the state after it."""
        known = self._handed_over.get(state)
        if known is None:
            allocator = self._thawed(state)
            names = allocator.last_update()
            allocator.step_down()
            known = self._handed_over[state] = names, self._number(allocator, self.families[state])
        return known

    def pass_barrier(self, state: int) -> tuple[tuple[int, int, bool], ...]:
        """For every moment since which something is unseen: that, the state once its bound is proven to be past.

        And whether a successor's view must be as new as that by which it was proven.
        """
        known = self._proven.get(state)
        if known is None:
            frozen = self.states[state]
            moments = {allocation.moment for allocation in frozen.in_flight}
            if frozen.inherited_at is not None:
                moments.add(frozen.inherited_at)
            known = self._proven[state] = tuple((each, *self._proven_at(state, each)) for each in sorted(moments))
        return known

    def cool(self, state: int) -> tuple[int, ...]:
        """For every moment at which a cool-down has passed: the state after."""
        known = self._cooled.get(state)
        if known is None:
            known = self._cooled[state] = tuple(
                self._cooled_at(state, moment) for moment in sorted({each.rank for each in self.states[state].cooling})
            )
        return known

    def check_drained(self, state: int) -> None:
        """Nothing leaks: what is left once every object is gone and every bound and cool-down has passed is nothing."""
        allocator = self._thawed(state)
        for key in {*(holder.key for holder in self.states[state].holders), *dict(self.states[state].tenures)}:
            allocator.ledger.vanish(key, NOW)
        allocator.ledger.pass_barrier(NOW + LONG)
        allocator.ledger.end_cooling(NOW + 2 * LONG)
        names = allocator.last_update()
        assert not names.reserved, f"leaks: the Lease lists {names.reserved} for good"
        allocator.step_down()
        rest = freeze(allocator)
        assert rest._replace(last=-1, end=-1) == FrozenAllocator(), f"leaks: {rest}"

    def _proven_at(self, state: int, moment: int) -> tuple[int, bool]:
        allocator = self._thawed(state)
        allocator.ledger.pass_barrier(moment + LONG, {KIND: VERSION})
        return self._number(allocator, self.families[state]), self._is_sighted(allocator)

    def _cooled_at(self, state: int, rank: int) -> int:
        allocator = self._thawed(state)
        allocator.ledger.end_cooling(rank + LONG)
        return self._number(allocator, self.families[state])

    @staticmethod
    def _is_sighted(allocator: Allocator) -> bool:
        """Whether the next write of the Lease says `VERSION`. It comes to a thawed leader as the first."""
        sighted = dict(allocator.ledger.sighted)
        assert set(sighted.values()) <= {VERSION}
        return bool(sighted)

    def _thawed(self, state: int) -> Allocator:
        return thaw(self.states[state], self._empty(self.pool, self._cool_down))

    def _number(self, allocator: Allocator, families: FrozenFamilies) -> int:
        if not self._has_machines and not allocator.ledger._in_doubt:
            allocator.ledger._inherited_at = None  # it matters to nobody but machines and addresses in doubt
        frozen = freeze(allocator)
        number = self._numbers.get((frozen, families))
        if number is None:
            check(allocator)
            number = self._numbers[frozen, families] = len(self.states)
            self.states.append(frozen)
            self.families.append(families)
        return number
