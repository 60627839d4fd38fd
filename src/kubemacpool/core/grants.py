"""What the ledger remembers of addresses that nobody is seen with: grants, cool-downs and departures."""

from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

from kubemacpool.core.parties import POD, Holder, Party

GIVEN_EARLY: Final = frozenset({POD})
"""Kinds of party whose released addresses may be given before their cool-down has passed (rule 8).

A VirtualMachine's may not: only the cool-down covers what another of its objects still has in flight (rule 2).
"""


class Terms(NamedTuple):
    """On what terms a party is granted an address.

    Attributes:
        dependent: the object that is awaited, as a party of its own, where it is not the party's.
        tacit: whether the Lease need not name it, because others of the party hold the address (rule 2).
        shared: whether a policy lets the party have it beside another that has it (rule 12).
        uid: of the object that is awaited, where it exists already.
    """

    dependent: Party | None = None
    tacit: bool = False
    shared: bool = False
    uid: str = ""


ITS_OWN: Final = Terms()
"""To the party's own object, by name, and to nobody beside it."""


@dataclass(slots=True)
class Grant:
    """A grant whose object has not been seen: an admission that may still be on its way.

    Attributes:
        party: who may use the address.
        granted_at: when it was last granted.
        admissions: how many admissions of this party may be in flight with the address.
        known_uids: of the objects that carried the address at the grant already, though they might be the one that is
            awaited; seeing them again says nothing about the admission in flight.
        terms: on which it was made.
        assumed: whether a decider before us may have made it, and nobody knows; none was made by us.
    """

    party: Party
    granted_at: float
    admissions: int
    known_uids: frozenset[str] = frozenset()
    terms: Terms = ITS_OWN
    assumed: bool = False

    @property
    def awaited(self) -> Party:
        """The object that is awaited."""
        return self.party if self.terms.dependent is None else self.terms.dependent

    def awaits(self, holder: Holder) -> bool:
        """Whether this may be the object that is awaited."""
        return self.awaited.owns(holder.key) and self.terms.uid in {"", holder.uid}


class Cooling(NamedTuple):
    """An address that nobody holds any more, kept back for a while."""

    since: float
    kind: str
    """The kind of the party that held it last; decides whether the address may be given early (rule 8)."""


class Departures:
    """Which parties of several objects have left which addresses, with their last object, not long ago.

    While others of its party hold an address, a launcher pod is granted it tacitly. Whoever takes over does not know of
    that; it knows, from here, who may have been granted what.
    """

    def __init__(self, seconds: float) -> None:
        """Remember a departure for so long.

        Args:
            seconds: twice the in-flight bound. A decider may see an object go later than we do, by less than a bound,
                and what it grants until then may be on its way for a bound.
        """
        self._seconds = seconds
        self._since: OrderedDict[tuple[int, Party], float] = OrderedDict()  # in the order of the moments

    def note(self, address: int, party: Party, now: float) -> None:
        """The party's last object that carried the address is gone, whoever else carries it."""
        self._since.pop((address, party), None)
        self._since[address, party] = now

    def forget(self, address: int, party: Party) -> None:
        """The party carries the address again: whoever granted it knew what was on its way."""
        self._since.pop((address, party), None)

    def end(self, now: float) -> None:
        """Forget what is long ago."""
        while self._since:
            departure, since = next(iter(self._since.items()))
            if since + self._seconds > now:
                return
            del self._since[departure]

    def __iter__(self) -> Iterator[tuple[int, Party]]:
        return iter(self._since)
