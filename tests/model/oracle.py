"""The ledger once more, as simply as can be: sets and dicts, everything recounted at every question.

It says what the core must say, and shares nothing with it but the words of `kubemacpool.core.parties`.
"""

from dataclasses import dataclass, field

from kubemacpool.core.parties import Holder, ObjectKey, Party


@dataclass
class Way:
    """What is on its way with an address: admissions of one party."""

    party: Party
    last_granted: float
    admissions: int
    known_uid: str | None


@dataclass
class Oracle:
    """What one replica knows: what is held, on its way, cooling down, in doubt, and open to it."""

    addresses: list[int]
    bound: float
    cool_down: float
    seen: dict[ObjectKey, Holder] = field(default_factory=dict)
    ways: dict[int, Way] = field(default_factory=dict)
    released: list[tuple[float, int]] = field(default_factory=list)
    in_doubt: set[int] = field(default_factory=set)
    inherited_at: float | None = None
    reserved: frozenset[int] = frozenset()
    doubtful: frozenset[int] = frozenset()
    reported: dict[str, set[int]] = field(default_factory=dict)
    """By uid, what its interfaces were ever seen to have."""

    def held(self) -> set[int]:
        """Addresses that some object was seen with."""
        return {address for each in self.seen.values() for address in holds(each)}

    def cooling(self, now: float) -> list[int]:
        """Addresses of which the last holder has gone not long ago, in the order of their release."""
        return [address for since, address in self.released if since + self.cool_down > now]

    def free(self, now: float) -> set[int]:
        """Addresses of the pool of which nothing at all is known."""
        return set(self.addresses) - self.held() - set(self.ways) - self.in_doubt - set(self.cooling(now))

    def see(self, key: ObjectKey, holder: Holder | None, now: float) -> None:
        """An object is seen with what it carries now, or is gone."""
        before = self.held()
        last = self.seen.pop(key, None)
        if holder is not None:
            self.seen[key] = self._kept_too(holder, last)
            for address in holder.addresses:
                way = self.ways.get(address)
                if way and way.admissions == 1 and way.known_uid != holder.uid and _is_for(way.party, key):
                    del self.ways[address]
        gone = before - self.held()
        self.released = [(since, address) for since, address in self.released if address not in gone]
        self.released += [(now, address) for address in sorted(gone)]

    def _kept_too(self, holder: Holder, last: Holder | None) -> Holder:
        """A running pod keeps what it had until its interface was seen to be there and is seen no more (rule 8).

        Whoever has listed the pod anew may have missed the report that its interface was there.
        """
        reported = self.reported.setdefault(holder.uid, set())
        kept: set[int] = set()
        if last is not None and last.uid == holder.uid:
            kept = holds(last) - holds(holder) - reported
        reported.update(holder.attached or ())
        return holder._replace(attached=(*(holder.attached or ()), *sorted(kept))) if kept else holder

    def pass_barrier(self, moment: float) -> None:
        """Nothing allocated a bound before this can still come."""
        self.ways = {a: way for a, way in self.ways.items() if way.last_granted + self.bound > moment}
        if self.inherited_at is not None and self.inherited_at + self.bound <= moment:
            self.in_doubt, self.inherited_at = set(), None

    def acquire(self, names: frozenset[int], now: float) -> None:
        """What an earlier leader has named may be on its way to anybody."""
        self.ways = {}
        self.in_doubt, self.inherited_at = set(names), now
        self.reserved, self.doubtful = names, frozenset()

    def step_down(self) -> None:
        """What was allocated is for somebody else to know."""
        self.acquire(frozenset(), 0.0)
        self.inherited_at = None

    def unseen(self) -> set[int]:
        """What may be on its way, so that the Lease must name it."""
        return set(self.ways) | self.in_doubt

    def others_with(self, address: int, party: Party) -> set[Party]:
        """Parties other than this one that have the address."""
        owners = {each.party for each in self.seen.values() if address in holds(each)}
        if address in self.ways:
            owners.add(self.ways[address].party)
        return owners - {party}

    def is_allowed(self, party: Party, wanted: tuple[int | None, ...]) -> bool:
        """Whether what the user gave may be allocated."""
        given = [address for address in wanted if address is not None]
        return len(set(given)) == len(given) and not any(self.others_with(address, party) for address in given)

    def choice(self, wanted: tuple[int | None, ...], now: float) -> tuple[set[int], set[int]]:
        """What may be given to who asks for any: what is free, and, once that is used up, what is given early."""
        taken = self.held() | self.unseen() | set(wanted)
        return self.free(now) - set(wanted), {a for a in self.cooling(now) if a in self.addresses and a not in taken}

    def allocate(self, address: int, party: Party, now: float) -> None:
        """One admission more is on its way with the address."""
        own = next((each for each in self.seen.values() if each.key == (party.kind, party.namespace, party.name)), None)
        known = own.uid if own is not None and address in holds(own) else None
        before = self.ways.get(address)
        self.ways[address] = Way(party, now, before.admissions + 1 if before else 1, known)


def holds(holder: Holder) -> set[int]:
    """What an object has: what its annotation says, and what its interfaces are reported to have."""
    return {*holder.addresses, *(holder.attached or ())}


def _is_for(party: Party, key: ObjectKey) -> bool:
    return key.name == party.name if party.name else key.name.startswith(party.generate_name)
