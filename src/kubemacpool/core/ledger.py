"""The ledger: who holds which address, what was granted and not seen yet, and what is cooling down.

It is derived from what is told to it and never stored. An address may be in several of these states at once. Beside
them there are the *suspects*: addresses that an earlier decider may have granted to somebody, nobody knows whom::

            grant                    observe
    free ----------> pending ----------------------> held
     ^                  |                             |
     |   expire         |                    release  |
     |<-----------------+                             v
     +-------------------------------------------- cooling
     |                 cool-down passed
     |<---------------- suspect <----------------- (named by the Lease at a takeover)
             expire

Moments are seconds on the caller's monotonic clock; they must not decrease from call to call.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final, NamedTuple

from kubemacpool.core.occupancy import Occupancy
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import Pool

GIVEN_EARLY: Final = frozenset({"Pod"})
"""Kinds of party whose released addresses may be given before their cool-down has passed (rule 8).

A VirtualMachine's may not: only the cool-down covers what another of its objects still has in flight (rule 2).
"""


@dataclass(slots=True)
class Grant:
    """A grant whose object has not been seen: an admission that may still be on its way.

    Attributes:
        party: who may use the address.
        granted_at: when it was last granted.
        admissions: how many admissions of this party may be in flight with the address.
        known_uid: the uid of the party's own object if it carried the address at the grant already; seeing that one
            again says nothing about the admission in flight.
    """

    party: Party
    granted_at: float
    admissions: int
    known_uid: str


class Cooling(NamedTuple):
    """An address that nobody holds any more, kept back for a while."""

    since: float
    kind: str
    """The kind of the party that held it last; decides whether the address may be given early (rule 8)."""


class Ledger:
    """What is known of every address, and which positions of the pool are free."""

    def __init__(self, pool: Pool, *, in_flight_bound: float, cool_down: float) -> None:
        """Start empty.

        Args:
            pool: where free addresses are looked for.
            in_flight_bound: seconds for which a granted admission may still be persisted.
            cool_down: seconds for which a released address is kept back; 0 for not at all.
        """
        self.in_flight_bound = in_flight_bound
        self.cool_down = cool_down
        self._holders: dict[ObjectKey, Holder] = {}
        self._carriers: dict[int, tuple[ObjectKey, ...]] = {}
        # Ordered dicts where the oldest goes first: a plain one passes over all that was deleted at its front.
        self._pending: OrderedDict[int, Grant] = OrderedDict()  # in the order of granted_at
        self._cooling: OrderedDict[int, Cooling] = OrderedDict()  # in the order of since
        self._suspects: dict[int, None] = {}
        self._suspected_at = 0.0
        self._given_early: OrderedDict[int, None] = OrderedDict()  # those of `_cooling` that `coolest` tells
        self._returning: set[int] = set()  # those of the pool that nobody holds and that cannot be given yet
        self._shared: dict[int, None] = {}  # those that several objects carry
        self._sighted: dict[str, int] = {}
        self.pool = pool
        self._occupancy = Occupancy(pool.size)

    # What the cluster tells

    def observe(self, holder: Holder, now: float, version: int = 0) -> None:
        """An object exists and carries these addresses. Telling it again changes nothing.

        Args:
            holder: the object, and what it carries.
            now: seconds on the monotonic clock.
            version: its resourceVersion; 0 where that is not known.
        """
        if version > self._sighted.get(holder.key.kind, 0):
            self._sighted[holder.key.kind] = version
        if not holder.addresses:
            self.vanish(holder.key, now)
            return
        carries = frozenset(holder.addresses)
        if len(carries) < len(holder.addresses):  # written past us: we refuse an address given twice
            holder = holder._replace(addresses=tuple(dict.fromkeys(holder.addresses)))
        before = self._holders.get(holder.key)
        self._holders[holder.key] = holder
        carried = before.addresses if before is not None else ()
        known = frozenset(carried)
        for address in holder.addresses:
            if address not in known:
                others = self._carriers.get(address, ())
                self._carriers[address] = (*others, holder.key)
                if others:
                    self._shared[address] = None
                self._mark(address)
            self._settle(address, holder)
        for address in carried:
            if address not in carries:
                self._release(address, holder, now)

    def vanish(self, key: ObjectKey, now: float) -> None:
        """The object is gone, completed, or carries nothing any more (rule 8)."""
        holder = self._holders.pop(key, None)
        if holder is not None:
            for address in holder.addresses:
                self._release(address, holder, now)

    def prove(self, moment: float, reached: Mapping[str, int] = MappingProxyType({})) -> None:
        """End what can no longer come: all that was persisted before `moment` has been observed (rule 5).

        That can rest on seeing that an object has come and gone. A successor whose view is older would see it come, and
        take it for a later one of its name: so its view must be as new (rule 3).

        Args:
            moment: seconds on the monotonic clock.
            reached: by kind, the resourceVersion by which the view is proven to be past `moment`.
        """
        ended = [each for each, grant in self._pending.items() if grant.granted_at + self.in_flight_bound <= moment]
        for address in ended:
            del self._pending[address]
        if self._suspects and self._suspected_at + self.in_flight_bound <= moment:
            ended += self._suspects
            self._suspects = {}
        for address in ended:
            self._mark(address)
        if ended:
            for kind, version in reached.items():
                self._sighted[kind] = max(version, self._sighted.get(kind, 0))

    # What the decider does

    def grant(self, address: int, party: Party, now: float) -> None:
        """Record that an admission with this address may be on its way."""
        earlier = self._pending.pop(address, None)
        admissions = 1 if earlier is None else earlier.admissions + 1
        self._pending[address] = Grant(party, now, admissions, self._uid_carrying(address, party))
        self._mark(address)

    def inherit(self, suspects: Iterable[int], now: float) -> None:
        """Begin to decide after somebody else: our own grants are history, and what is still named is suspect (rule 4).

        Args:
            suspects: every address that the Lease names.
            now: when the takeover was confirmed.
        """
        before = [*self._pending, *self._suspects]
        self._pending.clear()
        self._suspects = dict.fromkeys(suspects)
        self._suspected_at = now
        for address in (*before, *self._suspects):
            self._mark(address)

    def replace_pool(self, pool: Pool) -> None:
        """Look for free addresses elsewhere from now on; who holds what stays as it is."""
        self.pool = pool
        self._occupancy = Occupancy(pool.size)
        self._given_early.clear()
        self._returning.clear()
        for addresses in (self._carriers, self._pending, self._cooling, self._suspects):
            for address in addresses:
                self._mark(address)

    # What may be asked

    def holders_of(self, address: int) -> Iterator[Holder]:
        """Every object seen with this address; more than one party among them is a collision."""
        for key in self._carriers.get(address, ()):
            yield self._holders[key]

    def pending(self, address: int) -> Grant | None:
        """The grant of this address whose object has not been seen yet."""
        return self._pending.get(address)

    def is_suspect(self, address: int) -> bool:
        """Whether an earlier decider may have granted the address to somebody who has not been seen."""
        return address in self._suspects

    def unseen(self) -> Iterator[int]:
        """Every address that may be on its way to the cluster: pending or suspect, some of them both."""
        yield from self._pending
        yield from self._suspects

    def oldest_unseen(self) -> float | None:
        """Since when the oldest grant is pending, or the suspects are."""
        oldest = next((grant.granted_at for grant in self._pending.values()), None)
        if not self._suspects or (oldest is not None and oldest < self._suspected_at):
            return oldest
        return self._suspected_at

    @property
    def sighted(self) -> Mapping[str, int]:
        """By kind, how new a view must be to have seen all on which it rests that an address is not on its way.

        That is the newest resourceVersion of an object seen with addresses, or by which the view was proven.
        """
        return self._sighted

    def is_free(self, address: int) -> bool:
        """Whether an address of the pool is neither held nor pending nor suspect nor cooling."""
        position = self.pool.position_of(address)
        return position is not None and not self._occupancy.is_taken(position)

    def next_free(self, position: int) -> int | None:
        """The first position at or after this one, searched cyclically, whose address is free.

        Addresses whose cool-down has passed are free only after `end_cooling`.
        """
        return self._occupancy.next_free(position)

    def end_cooling(self, now: float) -> None:
        """Free what has cooled long enough. Asked before every search, so nothing else has to run for it."""
        while self._cooling:
            address, cooling = next(iter(self._cooling.items()))
            if cooling.since + self.cool_down > now:
                return
            del self._cooling[address]
            self._mark(address)

    def coolest(self) -> Iterator[tuple[int, Cooling]]:
        """What may be given early: addresses that wait for nothing but their cool-down, longest waiting first.

        An address whose grant came to nothing while it was cooling goes to the end.
        """
        for address in self._given_early:
            yield address, self._cooling[address]

    def holders(self) -> Iterator[Holder]:
        """Every object seen with an address."""
        return iter(self._holders.values())

    def collisions(self) -> Iterator[tuple[int, int]]:
        """Every address that several parties carry, and how many objects carry it."""
        for address in self._shared:
            holders = list(self.holders_of(address))
            if len({holder.party for holder in holders}) > 1:
                yield address, len(holders)

    @property
    def held_count(self) -> int:
        """How many addresses are carried by at least one object."""
        return len(self._carriers)

    @property
    def pending_count(self) -> int:
        """How many addresses were granted and not seen yet."""
        return len(self._pending)

    @property
    def suspect_count(self) -> int:
        """How many addresses an earlier decider may have granted to somebody unseen."""
        return len(self._suspects)

    def unheld_suspect_count(self) -> int:
        """How many addresses of the pool might be free, were they not suspect."""
        return sum(address in self.pool and address not in self._carriers for address in self._suspects)

    @property
    def cooling_count(self) -> int:
        """How many addresses are kept back after their release; those whose time has passed may still count."""
        return len(self._cooling)

    @property
    def returning_count(self) -> int:
        """How many addresses of the pool nobody holds and nobody can be given yet: time alone may free them."""
        return len(self._returning)

    @property
    def free_count(self) -> int:
        """How many addresses of the pool are neither held nor pending nor suspect nor cooling."""
        return self.pool.size - self._occupancy.taken

    def _settle(self, address: int, holder: Holder) -> None:
        """End a pending grant when its own object is seen carrying the address anew (rule 3).

        With several admissions under way the one that was seen need not be the last, so the grant waits for its bound.
        """
        grant = self._pending.get(address)
        if grant is None or grant.admissions > 1 or grant.known_uid == holder.uid or not grant.party.owns(holder.key):
            return
        del self._pending[address]

    def _release(self, address: int, holder: Holder, now: float) -> None:
        left = tuple(other for other in self._carriers[address] if other != holder.key)
        if left:
            self._carriers[address] = left
            if len(left) == 1:
                del self._shared[address]
            return
        del self._carriers[address]
        if self.cool_down > 0:
            self._cooling.pop(address, None)
            self._cooling[address] = Cooling(now, holder.party.kind)
        self._mark(address)

    def _uid_carrying(self, address: int, party: Party) -> str:
        """The uid of the party's own object, if it carries the address now."""
        key = ObjectKey(party.kind, party.namespace, party.name)
        return self._holders[key].uid if key in self._carriers.get(address, ()) else ""

    def _mark(self, address: int) -> None:
        """Bring what is looked up by search in line with what is known of one address."""
        position = self.pool.position_of(address)
        if position is None:
            return
        cooling = self._cooling.get(address)
        held = address in self._carriers
        in_use = held or address in self._pending or address in self._suspects
        taken = in_use or cooling is not None
        early = cooling is not None and cooling.kind in GIVEN_EARLY and not in_use
        if taken:
            self._occupancy.take(position)
        else:
            self._occupancy.free(position)
        if early:
            self._given_early[address] = None
        else:
            self._given_early.pop(address, None)
        if taken and not held and not early:
            self._returning.add(address)
        else:
            self._returning.discard(address)
