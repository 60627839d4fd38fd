"""Carriers: which objects carry which address, and whose these are.

Nearly every address is carried by one object, or by the few of one machine. These are a tuple, and what is asked of
them is counted when it is asked. But a tenant may have thousands of pods carry one address: beyond `FEW` they
are a crowd, which counts as they come and go, so that the thousandth costs what the first did.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Final

from kubemacpool.core.collisions import colliding
from kubemacpool.core.counts import add
from kubemacpool.core.parties import POD, VIRTUAL_MACHINE_INSTANCE, Holder, ObjectKey, Party


class Latecomers:
    """Which parties are latecomers to which addresses."""

    def __init__(self) -> None:
        self._parties: dict[int, set[Party]] = {}

    def add(self, address: int, party: Party) -> None:
        """The party has come to carry what another has."""
        self._parties.setdefault(address, set()).add(party.as_machine())

    def remove(self, address: int, party: Party) -> None:
        """The party carries the address no more."""
        parties = self._parties.get(address, set())
        parties.discard(party.as_machine())
        if not parties:
            self._parties.pop(address, None)

    def any_of(self, address: int) -> Party | None:
        """One of those who came late to an address; all of them carry it."""
        return next(iter(self._parties.get(address, ())), None)

    def forget(self, address: int) -> None:
        """Nobody is a latecomer to the address any more."""
        self._parties.pop(address, None)

    def are_to(self, address: int, party: Party) -> bool:
        """Whether the party is one of them."""
        return party.as_machine() in self._parties.get(address, ())


FEW: Final = 8
"""So many are counted when it is asked: a machine, its instance, the launcher pods of a migration, twice. A crowd takes
some kilobytes, and a tuple of so many 104 bytes."""


class Unity:
    """Which parties count as one."""

    def __init__(self) -> None:
        self._one: dict[Party, Party] = {}

    def unite(self, changes: Mapping[Party, Party | None]) -> list[Party]:
        """From now on these parties count as others, or as themselves again; says whom that changes."""
        moved = [party for party, one in changes.items() if self._one.get(party) != one]
        for party in moved:
            one = changes[party]
            if one is None:
                del self._one[party]
            else:
                self._one[party] = one
        return moved

    def as_one(self, party: Party) -> Party:
        """The party as which this one counts."""
        return self._one.get(party, party)

    def owner(self, party: Party) -> Party:
        """The same for two parties that may hold an address together.

        A VirtualMachine may have what the instance of its name has: there is one instance of a name, and KubeVirt makes
        an orphaned one the machine's own.
        """
        return self.as_one(party).as_machine()


class Carriers:
    """Who carries each address, in the order in which they came."""

    def __init__(self, holders: Mapping[ObjectKey, Holder], unity: Unity) -> None:
        """Start with nobody.

        Args:
            holders: every object observed; those that are counted here have to be in it while they carry anything.
            unity: which parties are one; `recount` has to be called when that changes.
        """
        self._holders = holders
        self._unity = unity
        self._of: dict[int, tuple[ObjectKey, ...] | _Crowd] = {}
        self._held: dict[str, int] = {}  # how many addresses objects of each namespace carry

    def add(self, address: int, key: ObjectKey) -> None:
        """An object carries the address that did not before."""
        if not self.in_namespace(address, key.namespace):
            add(self._held, key.namespace, 1)
        known = self._of.get(address, ())
        if isinstance(known, tuple) and len(known) < FEW:
            self._of[address] = (*known, key)
            return
        if isinstance(known, tuple):
            known = self._of[address] = _Crowd(self._unity, map(self._holders.__getitem__, known))
        known.add(self._holders[key])

    def remove(self, address: int, key: ObjectKey) -> None:
        """An object does not carry the address any more."""
        known = self._of[address]
        if isinstance(known, _Crowd):
            known.remove(key)
            if len(known.parties) <= FEW // 2:  # not at once: whoever comes and goes would have it counted each time
                self._of[address] = tuple(known.parties)
        elif len(known) > 1:
            self._of[address] = tuple(other for other in known if other != key)
        else:
            del self._of[address]
        if not self.in_namespace(address, key.namespace):
            add(self._held, key.namespace, -1)

    def move(self, address: int, key: ObjectKey) -> None:
        """An object that carries the address is of another party than before."""
        known = self._of[address]
        if isinstance(known, _Crowd):
            known.move(self._holders[key])

    def recount(self, address: int) -> None:
        """Other parties than before are one."""
        known = self._of[address]
        if isinstance(known, _Crowd):
            self._of[address] = _Crowd(self._unity, self.of(address))

    def of(self, address: int) -> Iterator[Holder]:
        """All that carry the address."""
        known = self._of.get(address, ())
        return map(self._holders.__getitem__, known.parties if isinstance(known, _Crowd) else known)

    def has_owner(self, address: int, party: Party) -> bool:
        """Whether an object of the party, or of one that may hold it together with that, carries the address."""
        known = self._of.get(address, ())
        owner = self._unity.owner(party)
        if isinstance(known, _Crowd):
            return owner in known.owners
        return any(self._unity.owner(self._holders[key].party) == owner for key in known)

    def has_relative(self, address: int, holder: Holder) -> bool:
        """Whether another object than this one, of the party or of one that may hold it with that, carries it too."""
        known = self._of.get(address, ())
        owner = self._unity.owner(holder.party)
        if isinstance(known, _Crowd):
            return sum(known.owners[owner].values()) > 1
        return any(key != holder.key and self._unity.owner(self._holders[key].party) == owner for key in known)

    def has_party(self, address: int, party: Party) -> bool:
        """Whether an object of exactly this party carries the address."""
        known = self._of.get(address, ())
        if isinstance(known, _Crowd):
            return party in known.owners.get(self._unity.owner(party), ())
        return any(self._holders[key].party == party for key in known)

    def other_than(self, address: int, party: Party) -> Party | None:
        """Of those that may not hold the address together with the party, the one that has carried it for longest."""
        known = self._of.get(address)
        if known is None:
            return None
        mine = self._unity.owner(party)
        if isinstance(known, _Crowd):
            return next((next(iter(parties)) for owner, parties in known.owners.items() if owner != mine), None)
        parties = (self._holders[key].party for key in known)
        return next((other for other in parties if self._unity.owner(other) != mine), None)

    def in_namespace(self, address: int, namespace: str) -> bool:
        """Whether an object of the namespace carries the address."""
        known = self._of.get(address)
        if known is None:
            return False
        if isinstance(known, _Crowd):
            return namespace in known.namespaces
        return any(key.namespace == namespace for key in known)

    def held_in(self, namespace: str) -> int:
        """How many addresses objects of the namespace carry."""
        return self._held.get(namespace, 0)

    def colliding_count(self, address: int) -> int:
        """How many running objects share the address with another party's."""
        known = self._of.get(address, ())
        if isinstance(known, _Crowd):
            return known.colliding
        return len(self.colliding(address)) if len(known) > 1 else 0

    def colliding(self, address: int) -> list[Holder]:
        """These objects."""
        return colliding(self.of(address), lambda holder: self._unity.as_one(holder.party))

    def __contains__(self, address: int) -> bool:
        return address in self._of

    def __iter__(self) -> Iterator[int]:
        return iter(self._of)

    def __len__(self) -> int:
        return len(self._of)


class _Running:
    """The running objects of one party: a launcher pod counts with its instance."""

    __slots__ = ("instances", "pods")

    def __init__(self) -> None:
        self.pods = 0
        self.instances = 0

    @property
    def objects(self) -> int:
        return self.instances or self.pods


class _Crowd:
    """Many that carry one address.

    Attributes:
        parties: of each, in the order in which they came.
        owners: by those that may not hold the address together, how many there are of each of their parties.
        namespaces: how many there are in each.
    """

    __slots__ = ("_objects", "_running", "_unity", "namespaces", "owners", "parties")

    def __init__(self, unity: Unity, holders: Iterable[Holder]) -> None:
        self._unity = unity
        self._running: dict[Party, _Running] = {}  # by the party as which they count
        self._objects = 0
        self.parties: dict[ObjectKey, Party] = {}
        self.owners: dict[Party, dict[Party, int]] = {}
        self.namespaces: dict[str, int] = {}
        for holder in holders:
            self.add(holder)

    @property
    def colliding(self) -> int:
        """How many running objects share the address with another party's."""
        return self._objects if len(self._running) > 1 else 0

    def add(self, holder: Holder) -> None:
        """One more."""
        self._count(holder.key, holder.party, 1)
        self.parties[holder.key] = holder.party

    def move(self, holder: Holder) -> None:
        """One is of another party now; it keeps its place."""
        self._count(holder.key, self.parties[holder.key], -1)
        self.add(holder)

    def remove(self, key: ObjectKey) -> None:
        """One less."""
        self._count(key, self.parties.pop(key), -1)

    def _count(self, key: ObjectKey, party: Party, one: int) -> None:
        add(self.namespaces, key.namespace, one)
        owner = self._unity.owner(party)
        parties = self.owners.setdefault(owner, {})
        add(parties, party, one)
        if not parties:
            del self.owners[owner]
        if key.kind in {POD, VIRTUAL_MACHINE_INSTANCE}:
            self._count_running(key.kind, self._unity.as_one(party), one)

    def _count_running(self, kind: str, party: Party, one: int) -> None:
        running = self._running.setdefault(party, _Running())
        self._objects -= running.objects
        if kind == POD:
            running.pods += one
        else:
            running.instances += one
        self._objects += running.objects
        if not running.objects:
            del self._running[party]
