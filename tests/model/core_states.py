"""The real core as a transition table: state in, step, state out; each pair of state and step is run once.

The world around a decider has far more states than the decider, so remembering what the core answered makes the search
a matter of looking up. Every new state is checked against a recount.
"""

from typing import Final

from tests.model.frozen import LONG, NOW, FrozenDecider, check, empty, freeze, thaw

from kubemacpool.core.decider import Decider
from kubemacpool.core.decisions import AddressRequest, Decision, Granted
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey
from kubemacpool.core.pool import Pool

START: Final = 0


class CoreStates:
    """Every state in which the core was found, by number; `START` is the empty one."""

    def __init__(self, pool: Pool, ledger_type: type[Ledger] = Ledger, *, cool_down: float = LONG) -> None:
        self.pool = pool
        self._ledger_type = ledger_type
        self._cool_down = cool_down
        self._numbers: dict[FrozenDecider, int] = {}
        self.states: list[FrozenDecider] = []
        self._decided: dict[tuple[int, AddressRequest, int], tuple[Decision, int]] = {}
        self._told: dict[tuple[int, ObjectKey, Holder | None], int] = {}
        self._proven: dict[int, tuple[tuple[int, int], ...]] = {}
        self._cooled: dict[int, tuple[int, ...]] = {}
        self._number(empty(pool, ledger_type, cool_down=cool_down))

    def __len__(self) -> int:
        return len(self.states)

    def decide(self, state: int, request: AddressRequest, moment: int) -> tuple[Decision, int]:
        """Ask for addresses; before it the same as a dry run, which must say the same and change nothing (rule 10)."""
        known = self._decided.get((state, request, moment))
        if known is None:
            decider = self._thawed(state)
            dry = decider.decide(request._replace(dry_run=True), moment)
            assert freeze(decider) == self.states[state], "a dry run changed the state"
            decision = decider.decide(request, moment)
            assert decision == dry, "a dry run decided otherwise"
            after = self._number(decider)
            assert isinstance(decision, Granted) or after == state, "a refusal changed the state"
            known = self._decided[state, request, moment] = decision, after
        return known

    def tell(self, state: int, key: ObjectKey, seen: Holder | None) -> int:
        """Let the view of one object move on."""
        known = self._told.get((state, key, seen))
        if known is None:
            decider = self._thawed(state)
            if seen is None:
                decider.ledger.vanish(key, NOW)
            else:
                decider.ledger.observe(seen, NOW)
            known = self._told[state, key, seen] = self._number(decider)
        return known

    def prove(self, state: int) -> tuple[tuple[int, int], ...]:
        """For every moment of a pending grant: that moment, and the state after its bound has passed and is proven."""
        known = self._proven.get(state)
        if known is None:
            known = self._proven[state] = tuple(
                (moment, self._proven_at(state, moment))
                for moment in sorted({grant.moment for grant in self.states[state].pending})
            )
        return known

    def cool(self, state: int) -> tuple[int, ...]:
        """For every moment at which a cool-down has passed: the state after."""
        known = self._cooled.get(state)
        if known is None:
            known = self._cooled[state] = tuple(
                self._cooled_at(state, moment) for moment in sorted({each.rank for each in self.states[state].cooling})
            )
        return known

    def _proven_at(self, state: int, moment: int) -> int:
        decider = self._thawed(state)
        decider.ledger.prove(moment + LONG)
        return self._number(decider)

    def _cooled_at(self, state: int, rank: int) -> int:
        decider = self._thawed(state)
        decider.ledger.end_cooling(rank + LONG)
        return self._number(decider)

    def _thawed(self, state: int) -> Decider:
        return thaw(self.states[state], empty(self.pool, self._ledger_type, cool_down=self._cool_down))

    def _number(self, decider: Decider) -> int:
        frozen = freeze(decider)
        number = self._numbers.get(frozen)
        if number is None:
            check(decider)
            number = self._numbers[frozen] = len(self.states)
            self.states.append(frozen)
        return number
