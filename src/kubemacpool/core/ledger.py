"""The ledger: who holds which address, what was allocated and not seen yet, and what is cooling down.

It is derived from what is observed and never stored. An address may be in several of these states at once. Beside
them there are the *addresses in doubt*: addresses that an earlier leader may have allocated to somebody, nobody knows
whom::

            allocate                    observe
    free ----------> in flight ----------------------> held
     ^                  |                             |
     |   expire         |                    release  |
     |<-----------------+                             v
     +-------------------------------------------- cooling
     |                 cool-down passed
     |<---------------- in doubt <----------------- (listed in the Lease at an acquisition)
             expire

Moments are seconds on the caller's monotonic clock; they must not decrease from call to call.
"""

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Final

from kubemacpool.core.allocations import GIVEN_EARLY, ITS_OWN, Allocation, Cooling, Departures, InFlight, Terms
from kubemacpool.core.collisions import Collisions
from kubemacpool.core.holders import Carriers, Latecomers, Unity
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Occupancy, Pool
from kubemacpool.core.retention import Tenure, first_sight
from kubemacpool.core.withheld import Withheld

_NOBODY: Final[frozenset[str]] = frozenset()


class Ledger:
    """What is known of every address, and which positions of the pool are free."""

    def __init__(self, pool: Pool, *, in_flight_bound: float, cool_down: float) -> None:
        """Start empty.

        Args:
            pool: where free addresses are looked for.
            in_flight_bound: seconds for which an allocated admission may still be persisted.
            cool_down: seconds for which a released address is kept back; 0 for not at all.
        """
        self.in_flight_bound = in_flight_bound
        self.cool_down = cool_down
        self._holders: dict[ObjectKey, Holder] = {}
        self._machines: dict[Party, dict[ObjectKey, None]] = {}  # the objects of each party that may be united
        self._unity = Unity()
        self._tenures: dict[ObjectKey, Tenure] = {}  # of pods
        self._carriers = Carriers(self._holders, self._unity)
        self._attached = Carriers(self._holders, self._unity)  # who has an address by its interfaces alone
        self._collisions = Collisions()
        self._in_flight = InFlight()
        # Ordered dicts where the oldest goes first: a plain one passes over all that was deleted at its front.
        self._cooling: OrderedDict[int, Cooling] = OrderedDict()  # in the order of since
        self._in_doubt: dict[int, None] = {}
        self._leading = False
        self._inherited_at: float | None = (
            None  # of the acquisition; None once the bound since then is proven to be past
        )
        self._departures = Departures(2 * in_flight_bound)
        self._given_early: OrderedDict[int, None] = OrderedDict()  # those of `_cooling` that `coolest` tells
        self._returning: set[int] = set()  # those of the pool that nobody holds and that cannot be given yet
        self._latecomers = Latecomers()
        self._sighted: dict[str, int] = {}
        self._withheld = Withheld()  # those that exist and are not in the books
        self.pool = pool
        self._occupancy = Occupancy(pool.size)

    # What is observed in the cluster

    def observe(self, holder: Holder, now: float, version: int = 0) -> None:
        """An object exists and carries these addresses. Telling it again changes nothing.

        Args:
            holder: the object, and what it carries.
            now: seconds on the monotonic clock.
            version: its resourceVersion; 0 where that is not known.
        """
        self.sight(holder.key.kind, version)
        said = holder.addresses
        if len(frozenset(said)) < len(said):  # written past us: we refuse an address given twice
            said = tuple(dict.fromkeys(said))
        if holder.key.kind == POD:
            holder = self._retaining(holder, said)
        elif holder.addresses != said or holder.attached is not None:
            holder = holder._replace(addresses=said, attached=None)
        if not holder.addresses and not holder.attached:
            self._drop(holder.key, now)
            self._let_go(holder.key, now)
            return
        before = self._holders.get(holder.key)
        if before != holder:
            self._holders[holder.key] = holder
            self._take(before, holder)
        for address in said if self._in_flight else ():
            self._settle(address, holder)
        if before is not None and before != holder:
            self._part_with(before, holder, now)
        self._let_go(holder.key, now)

    def move(self, key: ObjectKey, party: Party) -> None:
        """An object is of this party from now on."""
        before = self._holders.get(key)
        if before is not None:
            self._holders[key] = holder = before._replace(party=party)
            self._take(before, holder)

    def sight(self, kind: str, version: int) -> None:
        """The view of a kind has come this far, and what is allocated from now on may rest on it (rule 3)."""
        if version > self._sighted.get(kind, 0):
            self._sighted[kind] = version

    def vanish(self, key: ObjectKey, now: float) -> bool:
        """The object is gone, or completed (rule 8); says whether it had an address.

        If it had, others may be allocated that. A successor that sees the object still would let it keep its address
        (rule 2), so its view must be as new: `sight` is called with how new that is, once it is known.
        """
        self._tenures.pop(key, None)
        had = self._drop(key, now)
        self._let_go(key, now)
        return had

    def withhold(self, key: ObjectKey, uid: str, before: Iterable[int], claimed: Iterable[int], now: float) -> None:
        """An object exists and cannot be taken in: nobody is given what it carries, as far as that is known.

        Args:
            key: the object.
            uid: its uid.
            before: what it carried when it was taken in last.
            claimed: what it says that it carries now.
            now: seconds on the monotonic clock.
        """
        left = self._withheld.claim(key, uid, before, claimed)
        for address in (*before, *claimed):
            self._mark(address)
        self._cool(left, Holder(key, uid, Party(*key), ()), now)

    def begin_anew(self) -> None:
        """What is known of the cluster may be wrong, and everything is about to be listed again.

        Until an object is observed again, or is gone, what it carried is withheld. What is in flight, in doubt or
        cooling does not come from there and stands.
        """
        for holder in self._holders.values():
            self._withheld.keep(holder._replace(addresses=holder.addresses + (holder.attached or ())))
        for address in tuple(self._collisions.found):
            self._collisions.judge(address, 0)
        self._holders = {}
        self._machines = {}
        self._unity = Unity()
        self._carriers = Carriers(self._holders, self._unity)
        self._attached = Carriers(self._holders, self._unity)
        self._latecomers = Latecomers()
        self.replace_pool(self.pool)

    def pass_barrier(self, moment: float, reached: Mapping[str, int] = MappingProxyType({})) -> None:
        """End what can no longer come: all that was persisted before `moment` has been observed (rule 5).

        That can rest on seeing that an object has come and gone. A successor whose view is older would see it come, and
        take it for a later one of its name: so its view must be as new (rule 3).

        Args:
            moment: seconds on the monotonic clock.
            reached: by kind, the resourceVersion by which the view is proven to be past `moment`.
        """
        ended = self._in_flight.end_up_to(moment - self.in_flight_bound)
        if self._inherited_at is not None and self._inherited_at + self.in_flight_bound <= moment:
            ended += self._in_doubt
            self._in_doubt = {}
            self._inherited_at = None
        for address in ended:
            self._mark(address)
            self._judge_latecomers(address)
        if ended:
            for kind, version in reached.items():
                self.sight(kind, version)

    def rewind(self, kind: str, version: int) -> None:
        """The cluster was restored from a backup: what was seen of this kind is of a future that was lost (rule 4)."""
        if kind in self._sighted:
            self._sighted[kind] = min(version, self._sighted[kind])

    # What the leader does

    def allocate(self, address: int, party: Party, now: float, terms: Terms = ITS_OWN) -> None:
        """Record that an admission with this address may be in flight.

        Args:
            address: which one.
            party: who may use it.
            now: seconds on the monotonic clock.
            terms: how.
        """
        earlier = self._in_flight.to(address, party)
        admissions = 1 if earlier is None else earlier.admissions + 1
        if terms.dependent is not None and self._inherited_at is not None:
            admissions += 1  # a leader before us may have allocated one implicitly that would be taken for this one
        if terms.implicit and earlier is not None and not earlier.terms.implicit:
            terms = terms._replace(implicit=False)
        known = self._uids_carrying(address, terms.dependent or party, terms.uid)
        self._in_flight.add(address, Allocation(party, now, admissions, known, terms))
        self._mark(address)

    def inherit(self, in_doubt: Iterable[int], now: float, *, first: bool = False) -> None:
        """Begin to lead: our own earlier allocations are history, and what is still listed is in doubt (rule 4).

        What was allocated implicitly is listed nowhere: it may be in flight to every party that has left an address.

        Args:
            in_doubt: every address that the Lease lists.
            now: when the acquisition was confirmed.
            first: whether nobody has led before, so that nothing can be in flight.
        """
        self.renounce()
        self._leading = True
        self._collisions.note_changes()
        self._in_doubt = dict.fromkeys(in_doubt)
        if first and not self._in_doubt:
            return
        self._inherited_at = now
        for address in self._in_doubt:
            self._mark(address)
        for address, party in self._departures:
            self._expect(address, party, now)

    def renounce(self) -> None:
        """Decide no more: what was allocated is for somebody else to know."""
        self._leading = False
        self._collisions.ignore_changes()
        before = [*self._in_flight.addresses(), *self._in_doubt]
        self._in_flight.clear()
        self._in_doubt = {}
        self._inherited_at = None
        for address in before:
            self._mark(address)

    def replace_pool(self, pool: Pool) -> None:
        """Look for free addresses elsewhere from now on; who holds what stays as it is."""
        self.pool = pool
        self._occupancy = Occupancy(pool.size)
        self._given_early.clear()
        self._returning.clear()
        for addresses in (
            self._carriers,
            self._attached,
            self._in_flight.addresses(),
            self._cooling,
            self._in_doubt,
            self._withheld,
        ):
            for address in addresses:
                self._mark(address)

    # What may be asked

    def holders_of(self, address: int) -> Iterator[Holder]:
        """Every object seen with this address; those that carry it first, then those with an interface that has it."""
        yield from self._carriers.of(address)
        yield from self._attached.of(address)
        yield from self._withheld.of(address)

    def holder(self, key: ObjectKey) -> Holder | None:
        """An object as it was seen last, if it carries addresses."""
        return self._holders.get(key)

    def known(self, key: ObjectKey) -> tuple[int, ...]:
        """What an object carried when it was seen last, be it in the books or not."""
        holder = self._holders.get(key) or self._withheld.holder(key)
        return () if holder is None else holder.addresses + (holder.attached or ())

    def held_by(self, address: int, party: Party) -> bool:
        """Whether an object of the party, or of one that is the same, carries this address."""
        if self._carriers.has_owner(address, party):
            return True
        return any(self.are_one(holder.party, party) for holder in self._withheld.of(address))

    def other_holder(self, address: int, party: Party) -> Party | None:
        """Another party of which an object was seen with this address; the one that has carried it for longest."""
        other = self._carriers.other_than(address, party) or self._attached.other_than(address, party)
        if other is not None:
            return other
        withheld = (each.party for each in self._withheld.of(address) if not self.are_one(each.party, party))
        return next(withheld, None)

    def latest_allocation(self, address: int) -> Allocation | None:
        """The latest allocation of this address whose object has not been seen yet."""
        return next(reversed([*self._in_flight.of(address)]), None)

    def allocations_of(self, address: int) -> Iterable[Allocation]:
        """Every allocation of this address whose object has not been seen yet, the latest party's last."""
        return self._in_flight.of(address)

    def cooling_of(self, address: int) -> Cooling | None:
        """Since when an address is kept back after its release; None where it is not."""
        return self._cooling.get(address)

    def unsettled(self) -> Iterator[int]:
        """Every address that is in flight, in doubt or cooling, some of them several times."""
        yield from self._in_flight.addresses()
        yield from self._in_doubt
        yield from self._cooling

    def is_entitled(self, address: int, party: Party) -> bool:
        """Whether the party has the address, so that nobody who has come to carry it keeps it from it (rule 2).

        That is what it was allocated a moment ago, or what an object of it carries that came through us. An instance of
        a machine, and a launcher pod, do not: they are created late perhaps, for a machine that has gone, and whose
        address another party has been allocated since.
        """
        return self._allocated(address, party) or (
            self.held_by(address, party)
            and any(
                self.are_one(holder.party, party) and self._came_through_us(address, holder)
                for holder in self.holders_of(address)
            )
        )

    def allocated_to_other(self, address: int, party: Party) -> Party | None:
        """Another party for which this address is in flight."""
        others = (
            allocation.party for allocation in self._in_flight.of(address) if not self.are_one(allocation.party, party)
        )
        return next(others, None)

    def is_in_doubt(self, address: int) -> bool:
        """Whether an earlier leader may have allocated the address to somebody who has not been seen."""
        return address in self._in_doubt

    def unseen(self) -> Iterator[int]:
        """Every address that the Lease has to list: in flight or in doubt, some of them both."""
        yield from dict.fromkeys(address for address, allocation in self._in_flight if not allocation.terms.implicit)
        yield from self._in_doubt

    @property
    def unseen_count(self) -> int:
        """How many these are; what is both counts twice."""
        return self._in_flight.reserved_count + len(self._in_doubt)

    def in_flight_of(self, namespace: str) -> int:
        """How many allocations to parties of a namespace the Lease has to list; what is in doubt is nobody's."""
        return self._in_flight.by_namespace().get(namespace, 0)

    def in_flight(self) -> Mapping[str, int]:
        """The same by namespace, for those that have any."""
        return self._in_flight.by_namespace()

    def is_used_in(self, address: int, namespace: str) -> bool:
        """Whether an object of the namespace carries the address, or it is in flight to one."""
        return (
            self._carriers.in_namespace(address, namespace)
            or self._attached.in_namespace(address, namespace)
            or address in self._in_flight.addresses_in(namespace)
        )

    def used_in(self, namespace: str) -> int:
        """How many addresses these are; takes time in proportion to what is in flight there."""
        on_their_way = self._in_flight.addresses_in(namespace)
        unseen = sum(not self._carriers.in_namespace(address, namespace) for address in on_their_way)
        return self._carriers.held_in(namespace) + self._attached.held_in(namespace) + unseen

    def is_named_for(self, address: int, party: Party) -> bool:
        """Whether this address is in flight to the party already, and reserved."""
        allocation = self._in_flight.to(address, party)
        return allocation is not None and not allocation.terms.implicit

    def orphaned(self) -> Iterator[int]:
        """Addresses that were allocated implicitly and that their party holds no more: better listed in the Lease."""
        return (
            each
            for each, allocation in self._in_flight
            if allocation.terms.implicit and not self.held_by(each, allocation.party)
        )

    def oldest_unseen(self) -> float | None:
        """Since when something may be on its way: the oldest allocation, or what the leader before us has allocated."""
        first = self._in_flight.oldest()
        oldest = None if first is None else first[1].allocated_at
        if self._inherited_at is None or (oldest is not None and oldest < self._inherited_at):
            return oldest
        return self._inherited_at

    @property
    def sighted(self) -> Mapping[str, int]:
        """By kind, how new a view must be to have seen all on which it rests that an address is not on its way.

        That is the newest resourceVersion of an object seen with addresses, or by which the view was proven.
        """
        return self._sighted

    def is_free(self, address: int) -> bool:
        """Whether an address of the pool is neither held nor in flight nor in doubt nor cooling."""
        position = self.pool.position_of(address)
        return position is not None and not self._occupancy.is_taken(position)

    def next_free(self, position: int) -> int | None:
        """The first position at or after this one, searched cyclically, whose address is free.

        Addresses whose cool-down has passed are free only after `end_cooling`.
        """
        return self._occupancy.next_free(position)

    def end_cooling(self, now: float) -> None:
        """Free what has cooled long enough. Asked before every search, so nothing else has to run for it."""
        self._departures.end(now)
        while self._cooling:
            address, cooling = next(iter(self._cooling.items()))
            if cooling.since + self.cool_down > now:
                return
            del self._cooling[address]
            self._mark(address)

    def coolest(self) -> Iterator[tuple[int, Cooling]]:
        """What may be given early: addresses that wait for nothing but their cool-down, longest waiting first.

        An address whose allocation came to nothing while it was cooling goes to the end.
        """
        return ((address, self._cooling[address]) for address in self._given_early)

    def holders(self) -> Iterator[Holder]:
        """Every object seen with an address."""
        return iter(self._holders.values())

    def collisions(self) -> Mapping[int, int]:
        """Every address that running objects of several parties carry, and how many of them do."""
        return self._collisions.found

    def take_changed_collisions(self) -> list[int]:
        """The addresses whose collisions have changed since this was asked last, each once: to be looked at anew.

        Somebody has come to collide, or has ceased to; `colliding` says who does now, nobody perhaps. An address is
        told once however often it has changed, so that no more is kept than has collided since. Changes are kept from
        `inherit` to `renounce`: after an acquisition everything that collides counts as changed, once.
        """
        return self._collisions.take_changed()

    def colliding(self, address: int) -> list[Holder]:
        """The running objects that share an address with another party's."""
        return self._carriers.colliding(address)

    def are_one(self, party: Party, other: Party) -> bool:
        """Whether two parties may hold an address together."""
        return self._unity.owner(party) == self._unity.owner(other)

    def unite(self, changes: Mapping[Party, Party | None]) -> None:
        """From now on these parties count as others, or as themselves again.

        Args:
            changes: by party, the one as which it counts, or None; for those that move from one namespace to another.
        """
        keys = (key for party in self._unity.unite(changes) for key in self._machines.get(party, ()))
        for address in dict.fromkeys(address for key in keys for address in self._holders[key].addresses):
            self._carriers.recount(address)
            self._judge(address)

    @property
    def held_count(self) -> int:
        """How many addresses at least one object has."""
        return len({*self._attached, *self._withheld}.difference(self._carriers)) + len(self._carriers)

    @property
    def in_flight_count(self) -> int:
        """How many addresses were allocated and not seen yet."""
        return len(self._in_flight)

    @property
    def in_doubt_count(self) -> int:
        """How many addresses an earlier leader may have allocated to somebody unseen."""
        return len(self._in_doubt)

    def unheld_in_doubt_count(self) -> int:
        """How many addresses of the pool might be free, were they not in doubt."""
        return sum(address in self.pool and not self._is_held(address) for address in self._in_doubt)

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
        """How many addresses of the pool are neither held nor in flight nor in doubt nor cooling."""
        return self.pool.size - self._occupancy.taken

    def free_in(self, ranges: Iterable[AddressRange]) -> Iterator[tuple[int, int]]:
        """For each range, how many addresses of the pool are in it, and how many of them are free."""
        spans = [self.pool.positions_of(each) for each in ranges]
        bounds = sorted({bound for span in spans for bound in (span.start, span.stop)})
        before = dict(zip(bounds, self._occupancy.taken_before(bounds), strict=True))
        for span in spans:
            yield len(span), len(span) - (before[span.stop] - before[span.start] if span else 0)

    def _enlist(self, before: Holder | None, now: Holder | None) -> None:
        """An object has come, or is of another party than before, or is gone."""
        if before is not None and now is not None and before.party == now.party:
            return
        if before is not None and before.party.kind != POD:
            objects = self._machines[before.party]
            del objects[before.key]
            if not objects:
                del self._machines[before.party]
        if now is not None and now.party.kind != POD:
            self._machines.setdefault(now.party, {})[now.key] = None

    def _settle(self, address: int, holder: Holder) -> None:
        """End a in flight allocation when its own object is seen carrying the address anew (rule 3).

        With several admissions under way, be they of one party or of several, the one that was seen need not be the
        last, so they wait for their bound.
        """
        in_flight = self._in_flight.of(address)
        awaiting = [each for each in in_flight if each.awaits(holder) and holder.uid not in each.known_uids]
        if len(awaiting) == 1 and awaiting[0].admissions == 1:
            self._in_flight.end(address, awaiting[0].party)

    def _came_through_us(self, address: int, holder: Holder) -> bool:
        """Whether an object had the address from its beginning, as far as others that carry it show."""
        if holder.key.kind == POD:
            return not holder.owned and not self._latecomers.are_to(address, holder.party)
        return holder.key.kind == VIRTUAL_MACHINE or not holder.owned

    def _retaining(self, holder: Holder, said: tuple[int, ...]) -> Holder:
        """A pod as observed, and what it holds beyond what its annotation says (rule 8)."""
        before = self._tenures.get(holder.key)
        if before is None or before.uid != holder.uid:
            tenure = first_sight(holder.uid, said, holder.attached)
        else:
            tenure = before.after(said, holder.attached, lambda address: self._may_be_allocated(address, holder))
            if tenure is not before:
                self._look_out_for(before.said, holder, said)
        if tenure is not before:
            self._tenures[holder.key] = tenure
        addresses, attached = tenure.carried, tenure.attached or None
        if holder.addresses == addresses and holder.attached == attached:
            return holder
        return holder._replace(addresses=addresses, attached=attached)

    def _may_be_allocated(self, address: int, holder: Holder) -> bool:
        """Whether what a running pod carries anew may have come to it through us.

        The leader knows, but for the addresses in doubt. Everybody else knows that it is not so where another has the
        address: it would have been refused.
        """
        if self.held_by(address, holder.party):
            return True
        if not self._leading:
            return self.other_holder(address, holder.party) is None
        return address in self._in_doubt or any(
            allocation.awaited.owns(holder.key) or self.are_one(allocation.party, holder.party)
            for allocation in self._in_flight.of(address)
        )

    def _look_out_for(self, before: tuple[int, ...], holder: Holder, said: tuple[int, ...]) -> None:
        """What an object says no more it will say anew, by which the allocation to an update of it is settled."""
        for address in before:
            if address not in said:
                for allocation in self._in_flight.of(address):
                    if allocation.terms.uid == holder.uid:
                        allocation.known_uids -= {holder.uid}

    def _take(self, before: Holder | None, holder: Holder) -> None:
        """An object has what it did not have before, or is of another party now, or another object of its name."""
        self._enlist(before, holder)
        carried, attached = _held_by(before)
        for address in holder.addresses:
            if before is None or address not in carried:
                self._begin_to_carry(address, holder)
            elif before.party != holder.party or before.uid != holder.uid:
                self._go_on_carrying(address, before, holder)
        for address in holder.attached or ():
            if before is None or address not in attached:
                self._attached.add(address, holder.key)
                self._mark(address)
            elif before.party != holder.party:
                self._attached.move(address, holder.key)

    def _begin_to_carry(self, address: int, holder: Holder) -> None:
        if self._comes_late(address, holder.party):
            self._latecomers.add(address, holder.party)
        self._carriers.add(address, holder.key)
        self._mark(address)
        self._departures.forget(address, holder.party)
        self._judge(address)

    def _go_on_carrying(self, address: int, before: Holder, holder: Holder) -> None:
        """Another object of the same name carries the address now, or the same one as an object of another party."""
        if before.party != holder.party:
            self._carriers.move(address, holder.key)
            self._departures.forget(address, holder.party)
            self._stay_late(address, before.party, holder)
        self._judge(address)

    def _stay_late(self, address: int, before: Party, holder: Holder) -> None:
        """An object of another party than before comes as late as it came, unless its new party had the address."""
        if not self._latecomers.are_to(address, before):
            return
        if not self.held_by(address, before):
            self._latecomers.remove(address, before)
        if not self._carriers.has_relative(address, holder) and not self._allocated(address, holder.party):
            self._latecomers.add(address, holder.party)

    def _part_with(self, before: Holder, holder: Holder, now: float) -> None:
        """An object has no more what it had before."""
        carries, attaches = _held_by(holder)
        for address in before.addresses:
            if address not in carries:
                self._carriers.remove(address, holder.key)
                self._judge(address)
                self._forget_late(address, before.party)
        for address in before.attached or ():
            if address not in attaches:
                self._attached.remove(address, holder.key)
        had = before.addresses + (before.attached or ())
        self._cool([each for each in had if each not in carries and each not in attaches], before, now)

    def _drop(self, key: ObjectKey, now: float) -> bool:
        """An object has nothing any more; says whether it had anything."""
        holder = self._holders.pop(key, None)
        if holder is None:
            return False
        self._enlist(holder, None)
        self._part_with(holder, holder._replace(addresses=(), attached=None), now)
        return True

    def _is_held(self, address: int) -> bool:
        return address in self._carriers or address in self._attached or address in self._withheld

    def _allocated(self, address: int, party: Party) -> bool:
        """Whether we have allocated the party, or one that is the same, an address that was its alone to have."""
        return any(
            not each.assumed and not each.terms.shared and self.are_one(each.party, party)
            for each in self._in_flight.of(address)
        )

    def _comes_late(self, address: int, party: Party) -> bool:
        """Whether others have the address, and the party has not had it yet."""
        if address not in self._carriers and address not in self._in_flight:
            return False
        return (
            self._others_have(address, party)
            and not self._carriers.has_owner(address, party)
            and not self._allocated(address, party)
        )

    def _others_have(self, address: int, party: Party) -> bool:
        if self._carriers.other_than(address, party) is not None:
            return True
        in_flight = self._in_flight.of(address)
        return any(not each.assumed and not self.are_one(each.party, party) for each in in_flight)

    def _forget_late(self, address: int, party: Party) -> None:
        """An object of the party does not carry the address any more."""
        if not self.held_by(address, party):
            self._latecomers.remove(address, party)
        self._judge_latecomers(address)

    def _judge_latecomers(self, address: int) -> None:
        """Forget the last one of them when nobody else has the address any more."""
        late = self._latecomers.any_of(address)
        if late is not None and not self._others_have(address, late):
            self._latecomers.forget(address)

    def _let_go(self, key: ObjectKey, now: float) -> None:
        """An object is in the books now, or is gone: what it does not carry by these is withheld no longer."""
        holder = self._withheld.let_go(key) if self._withheld else None
        if holder is not None:
            self._cool(holder.addresses, holder, now)
            for address in holder.addresses:
                self._forget_late(address, holder.party)

    def _cool(self, addresses: Iterable[int], holder: Holder, now: float) -> None:
        """An object has these no more; what nobody else has cools down."""
        kind = VIRTUAL_MACHINE_INSTANCE if holder.owned else holder.party.kind
        for address in addresses:
            if not self._is_held(address) and self.cool_down > 0:
                self._cooling.pop(address, None)
                self._cooling[address] = Cooling(now, kind)
            self._mark(address)
            if kind != POD and not self._has_party(address, holder.party):
                self._departures.note(address, holder.party, now)
                if self._inherited_at is not None:
                    self._expect(address, holder.party, self._inherited_at)

    def _has_party(self, address: int, party: Party) -> bool:
        """Whether an object of exactly this party has the address."""
        if self._carriers.has_party(address, party) or self._attached.has_party(address, party):
            return True
        return any(holder.party == party for holder in self._withheld.of(address))

    def _expect(self, address: int, party: Party, moment: float) -> None:
        """An earlier leader may have allocated this implicitly to other objects of the party, any number of them."""
        allocation = self._in_flight.to(address, party)
        if allocation is None:
            self._in_flight.add_oldest(address, Allocation(party, moment, 2, terms=Terms(implicit=True), assumed=True))
            self._mark(address)
        else:
            allocation.admissions += 1

    def _uids_carrying(self, address: int, awaited: Party, uid: str) -> frozenset[str]:
        """The uids of those that carry the address now and might be mistaken for the object that is awaited.

        An object that exists already is awaited to say so, if it does not; it may have kept the address without that.
        """
        if not self._is_held(address):
            return _NOBODY
        if uid:
            return frozenset(
                each.uid for each in self.holders_of(address) if each.uid == uid and self._says(each, address)
            )
        return frozenset(holder.uid for holder in self.holders_of(address) if awaited.owns(holder.key))

    def _says(self, holder: Holder, address: int) -> bool:
        tenure = self._tenures.get(holder.key)
        return tenure is None or address in tenure.said

    def _judge(self, address: int) -> None:
        """Bring what is known of collisions in line with who carries one address."""
        self._collisions.judge(address, self._carriers.colliding_count(address))

    def _mark(self, address: int) -> None:
        """Bring what is looked up by search in line with what is known of one address."""
        position = self.pool.position_of(address)
        if position is None:
            return
        cooling = self._cooling.get(address)
        held = self._is_held(address)
        in_use = held or address in self._in_flight or address in self._in_doubt
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


def _held_by(holder: Holder | None) -> tuple[frozenset[int], frozenset[int]]:
    """What an object carries, and what it has by its interfaces alone."""
    if holder is None:
        return frozenset(), frozenset()
    return frozenset(holder.addresses), frozenset(holder.attached or ())
