"""Everybody who is connected, by the address they come from; and who has to go when there is no room for another.

A connection owes us a request until it has carried a complete one, is busy while one is being answered, and rests in
between. Whoever is busy is left alone. Of the others goes whom a client that does its work would miss the least: the
oldest connection that owes, of the source that has most of them. A source that has been served before goes after all
that have not: the API server keeps connections that it opened for a request which another one then carried.
"""

from collections.abc import Callable, Iterator
from typing import Protocol

import structlog

from kubemacpool.pacing import Tally
from kubemacpool.server import limits

_log = structlog.get_logger(__name__)


class Guest(Protocol):
    """One connection, wherever it stands."""

    def close_if_overdue(self) -> None:
        """Close it when nothing was asked in time, or an answer is not being read."""
        ...

    def close_if_idle(self) -> None:
        """Close it if nothing is being asked, nor about to be."""
        ...

    def leave(self) -> None:
        """Close it at once, whatever the other side thinks of that."""
        ...


class Source:
    """An address, and the connections from it that are open.

    Attributes:
        served: whether a good request came on one of them. It is forgotten with the last connection.
        owing: the slots of those on which no complete request ever came, oldest first.
        resting: the slots of those on which one was answered, longest ago first.
        taken: how many slots they have, the busy ones included.
    """

    __slots__ = ("address", "owing", "resting", "served", "taken")

    def __init__(self, address: str) -> None:
        self.address = address
        self.served = False
        self.owing: dict[Slot, None] = {}
        self.resting: dict[Slot, None] = {}
        self.taken = 0


class Slot:
    """The room that one connection takes, from its first packet to its last."""

    __slots__ = ("guest", "source", "taken_at")

    def __init__(self, source: Source, guest: Guest, taken_at: float) -> None:
        self.source = source
        self.guest = guest
        self.taken_at = taken_at


class Crowd:
    """All connections of one server, those in the TLS handshake included.

    Args:
        most: how many there may be.
        clock: seconds on the event loop's clock.
    """

    def __init__(self, most: int, clock: Callable[[], float]) -> None:
        self.most = most
        self._clock = clock
        self._slots: dict[Slot, None] = {}
        self._sources: dict[str, Source] = {}
        self._turned_away = Tally(limits.TELL_SECONDS)

    @property
    def most_of_one(self) -> int:
        """How many a single source may have."""
        return max(1, self.most // limits.SOURCE_DIVISOR)

    def enter(self, address: str, guest: Guest) -> Slot | None:
        """Room for one more, another being sent away for it where needed; None where nobody can be."""
        source = self._sources.get(address)
        if source is None:
            source = Source(address)
        if source.taken >= self.most_of_one:
            leaving = _oldest_of(source)
        elif len(self._slots) >= self.most:
            leaving = self._least_missed()
        else:
            return self._seat(source, guest)
        self._turned_away.count += 1
        if leaving is None:
            return None
        self.left(leaving)
        leaving.guest.leave()
        return self._seat(source, guest)

    def heard(self, slot: Slot) -> None:
        """A complete request has arrived."""
        slot.source.owing.pop(slot, None)
        slot.source.resting.pop(slot, None)

    def answered(self, slot: Slot, *, good: bool) -> None:
        """It has been answered; `good` tells whether it made sense."""
        if slot in self._slots and slot not in slot.source.owing:
            slot.source.resting[slot] = None
            slot.source.served |= good

    def left(self, slot: Slot) -> None:
        """One is closed, or as good as closed."""
        if slot not in self._slots:
            return
        del self._slots[slot]
        source = slot.source
        source.taken -= 1
        source.owing.pop(slot, None)
        source.resting.pop(slot, None)
        if not source.taken:
            del self._sources[source.address]

    def tell(self) -> None:
        """Say how many were turned away, now and then."""
        if number := self._turned_away.due(self._clock()):
            greediest = max(self._sources.values(), key=lambda source: source.taken, default=None)
            _log.warning(
                "connections turned away to make room for others",
                number=number,
                limit=self.most,
                limit_of_one=self.most_of_one,
                greediest="" if greediest is None else greediest.address,
                its_connections=0 if greediest is None else greediest.taken,
            )

    def _seat(self, source: Source, guest: Guest) -> Slot:
        slot = Slot(source, guest, self._clock())
        self._sources[source.address] = source
        self._slots[slot] = None
        source.owing[slot] = None
        source.taken += 1
        return slot

    def _least_missed(self) -> Slot | None:
        """Who goes when all slots are taken."""
        now = self._clock()
        best: tuple[bool, bool, int, float] | None = None
        found: Slot | None = None
        for source in self._sources.values():
            oldest = next(iter(source.owing), None)
            if oldest is not None:
                fresh = now - oldest.taken_at < limits.FRESH_SECONDS
                rank = (source.served, fresh, -len(source.owing), oldest.taken_at)
                if (best is None or rank < best) and not (source.served and fresh):
                    best, found = rank, oldest
        if found is not None:
            return found
        resting = [source for source in self._sources.values() if source.resting]
        greediest = max(resting, key=lambda source: source.taken, default=None)
        return None if greediest is None else next(iter(greediest.resting))

    def __len__(self) -> int:
        return len(self._slots)

    def __iter__(self) -> Iterator[Guest]:
        return iter([slot.guest for slot in self._slots])


def _oldest_of(source: Source) -> Slot | None:
    """Who goes when a source takes more than its share: one of its own."""
    return next(iter(source.owing), None) or next(iter(source.resting), None)
