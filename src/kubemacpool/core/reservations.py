"""Reserved addresses, which may be allocated without having been observed, and the block of them (rule 1)."""

from collections.abc import Collection, Iterable, Iterator
from itertools import islice

from kubemacpool.core.ledger import Ledger


class Reservations:
    """What the Lease lists, as far as this leader knows it."""

    def __init__(self) -> None:
        self._reserved: frozenset[int] = frozenset()
        self._doubtful: frozenset[int] = frozenset()

    def begin_write(self, names: Collection[int]) -> None:
        """A write that lists exactly these is about to be sent; from now on it may take effect at any moment."""
        self._doubtful |= self._reserved.difference(names)

    def confirm(self, names: Iterable[int]) -> None:
        """The Lease lists exactly these, and no earlier write can change that any more."""
        self._reserved = frozenset(names)
        self._doubtful = frozenset()

    def close(self) -> None:
        """Nothing is reserved for this replica."""
        self.confirm(())

    def __contains__(self, address: int) -> bool:
        return address in self._reserved and address not in self._doubtful

    def __len__(self) -> int:
        return len(self._reserved)


NONE_YET = -1
"""Before the first allocation: the search begins where the pool says."""


class Block:
    """The next free addresses of the pool, from the one after the last that was given."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self._reserved: dict[int, None] = {}
        self.last = NONE_YET
        """The address that was given last."""
        self._end = NONE_YET
        """The address that was set aside last."""
        self._set_aside = 0
        """How many it had when its length was set."""

    def resize(self, length: int) -> None:
        """Have so many addresses set aside, or all that are free; of too many the farthest are given back."""
        self._reserved = dict.fromkeys(islice(filter(self._is_free, self._reserved), max(0, length)))
        self._end = next(reversed(self._reserved), self.last)
        for address in islice(self._beyond(), max(0, length - len(self._reserved))):
            self._reserved[address] = None
            self._end = address
        self._set_aside = len(self._reserved)

    def candidates(self) -> Iterator[int]:
        """Every free address once: those set aside, then the rest of the pool in the order of the search."""
        yield from filter(self._is_free, self._reserved)
        yield from self._beyond()

    def addresses(self) -> tuple[int, ...]:
        """What is set aside and not given yet."""
        return tuple(self._reserved)

    @property
    def is_short(self) -> bool:
        """Whether less than half is left of what it had when its length was set."""
        return 2 * len(self._reserved) < self._set_aside

    def give(self, address: int) -> None:
        """The address was given to somebody who asked for any."""
        self._reserved.pop(address, None)
        self.last = address
        if not self._reserved:
            self._end = address

    def give_back(self) -> None:
        """Set nothing aside; go on after the address that was given last."""
        self._reserved.clear()
        self._end = self.last
        self._set_aside = 0

    def begin_anew(self) -> None:
        """Go on where the first search of the pool begins."""
        self.go_on_after(NONE_YET)

    def go_on_after(self, last: int) -> None:
        """Go on where another leader was."""
        self.last = last
        self.give_back()

    def _is_free(self, address: int) -> bool:
        return self._ledger.is_free(address)

    def _beyond(self) -> Iterator[int]:
        """Every free address once that is not set aside, from the one after the last that is."""
        ledger, pool = self._ledger, self._ledger.pool
        begin = pool.beginning if self._end == NONE_YET else pool.position_after(self._end)
        first = position = ledger.next_free(begin)
        while position is not None:
            address = pool.address_at(position)
            if address not in self._reserved:
                yield address
            position = ledger.next_free((position + 1) % pool.size)
            if position == first:
                return
