"""Pods around one leader or two: created by whoever may, terminating, completing, with annotations that change."""

from collections.abc import Iterator
from typing import NamedTuple

from tests.model.cluster import EVERY_LAW, ONE_REPLICA, Bounds, Change, Cluster, Flight, Laws, changed_by
from tests.model.core_states import CoreStates
from tests.model.frame import Frame, Happening
from tests.model.moves import Ask

from kubemacpool.core.parties import POD, Holder, ObjectKey, Party
from kubemacpool.core.requests import AddressRequest

NEVER_ASKED_FOR = 1_000_000
"""The moment of a change that nobody who proves something must have observed: a view is as old as can be."""


class Creator(NamedTuple):
    """A user, or a controller, that creates pods.

    Attributes:
        name: the name of its pods; what the API server will come to, for one that sends `generate_name`.
        creations: how often it may ask, allocated or not persisted; more than one while the first is under way as well.
        wishes: what it may ask for each time: one item an interface, None for any address.
        generate_name: the prefix that it sends instead of a name.
        warned: whether it may have what another party has (the policy `warn`).
    """

    name: str
    creations: int
    wishes: tuple[tuple[int | None, ...], ...]
    generate_name: str = ""
    warned: bool = False


class Life(NamedTuple):
    """What becomes of pods, beside their being created and deleted.

    Attributes:
        grace: whether a pod may be terminating for a while, and may complete.
        edits: whether an annotation may change, though not before all have observed it: a replica that has not, and
            lists afresh, knows only what is reported.
        reports: whether there is a network-status, without which no annotation changes then; and an interface is
            unplugged when its annotation does not say it any more.
    """

    grace: bool = False
    edits: bool = False
    reports: bool = False


SHORT_LIFE = Life()


class Live(NamedTuple):
    """A pod; the number of its allocation is its uid.

    Attributes:
        allocation: the number.
        addresses: what its interfaces have.
        terminating: whether it is going.
        said: what its annotation says, once that has changed.
        reported: what its network-status lists, once it is there.
        shared: whether it was let through beside another that had its address.
    """

    allocation: int
    addresses: tuple[int, ...]
    terminating: bool = False
    said: tuple[int, ...] | None = None
    reported: tuple[int, ...] | None = None
    shared: bool = False

    @property
    def annotated(self) -> tuple[int, ...]:
        """What its annotation says."""
        return self.addresses if self.said is None else self.said

    @property
    def has_completed(self) -> bool:
        """Whether it has come to its end by itself."""
        return not self.addresses and self.said is None

    def clashes(self, other: "Live") -> bool:
        """Whether both have an address, and the later one was not let through beside the earlier."""
        later = self if self.allocation > other.allocation else other
        return not later.shared and not set(self.addresses).isdisjoint(other.addresses)


class PodWorld(Frame[Live]):
    """Each party is a pod alone, and all are watched together."""

    lists_afresh = True

    def __init__(
        self,
        cores: CoreStates,
        creators: tuple[Creator, ...],
        bounds: Bounds = ONE_REPLICA,
        *,
        laws: Laws = EVERY_LAW,
        life: Life = SHORT_LIFE,
        alike: bool = False,
        a_moment: int = 1,
    ) -> None:
        """Take the actors of a world.

        Args:
            cores: the core under test.
            creators: who creates pods.
            bounds: how large it is.
            laws: what the core's caller keeps to.
            life: what becomes of pods.
            alike: whether the creators differ in nothing but their names; then they may as well ask first in order.
            a_moment: how many allocations are made before the clock moves on.
        """
        self._names = sorted({creator.name for creator in creators})
        super().__init__(cores, bounds, laws, (0,) * len(self._names), a_moment=a_moment)
        self._creators = creators
        self._slots = [self._names.index(creator.name) for creator in creators]
        self._keys = [ObjectKey(POD, "ns", name) for name in self._names]
        self._most = min(bounds.allocations, sum(creator.creations for creator in creators))
        self._life = life
        self.observes_at_once = life.edits
        self._alike = alike

    def first_cluster(self) -> Cluster[Live]:
        """Nothing."""
        return Cluster((None,) * len(self._names), (), (0,) * len(self._creators), ((),))

    def may_conflict(self, cluster: Cluster[Live]) -> bool:
        """Whether somebody may ask: an allocation is looked at when it is made."""
        return sum(cluster.asked) < self._most

    def is_last(self, asked: tuple[int, ...]) -> bool:
        """Whether nobody may ask any more."""
        return sum(asked) == self._most

    # Requests

    def concerns(self, cluster: Cluster[Live]) -> tuple[int, ...]:
        """Who has asked how often."""
        return cluster.asked

    def asks(self, core: int, cluster: Cluster[Live]) -> Iterator[Ask[Live]]:  # noqa: ARG002 (everybody is asked alike)
        """Each creator, for each of its wishes."""
        asked = cluster.asked
        for each, creator in enumerate(self._creators):
            if asked[each] == creator.creations or (self._alike and not all(asked[:each])):
                continue
            name = creator.name if not creator.generate_name else ""
            request = f"request-{each}-{asked[each]}" if not name else ""
            party = Party(POD, "ns", name, creator.generate_name, request)
            for wish in creator.wishes:
                yield Ask(AddressRequest(party, wish), each, self._slots[each], Live(0, ()), creator.warned)

    def created(self, pattern: Live, addresses: tuple[int, ...], allocation: int, *, shared: bool) -> Live:
        """A pod with the addresses that it was allocated."""
        return pattern._replace(allocation=allocation, addresses=addresses, shared=shared)

    def conflicts(self, cluster: Cluster[Live], flight: Flight[Live]) -> bool:
        """Whether another pod has an address of this one, or will have."""
        there = [(slot, live) for slot, live in enumerate(cluster.objects) if live is not None]
        there += [(other.slot, other.live) for other in cluster.flights]
        return any(slot != flight.slot and flight.live.clashes(live) for slot, live in there)

    # What becomes of pods

    def happen(self, cluster: Cluster[Live]) -> Iterator[Happening[Live]]:
        """Admissions are persisted; pods go, and change."""
        held = [live for live in cluster.objects if live is not None]
        for index, flight in enumerate(cluster.flights):
            if cluster.objects[flight.slot] is None:  # one object of a name at a time
                landed = cluster._replace(flights=cluster.flights[:index] + cluster.flights[index + 1 :])
                after = changed_by(landed, 0, Change(flight.slot, flight.live, flight.allocation))
                duplicate = any(flight.live.clashes(other) for other in held)
                yield Happening("persist", (self._names[flight.slot], flight.live), after, duplicate)
        for slot, present in enumerate(cluster.objects):
            if present is not None:
                ways = [*self._ends_of_holding(present)]
                if self._life.edits and all(change.slot != slot for change in cluster.logs[0]):
                    ways += self._changes(present)
                for what, live in ways:
                    after = changed_by(cluster, 0, Change(slot, live, NEVER_ASKED_FOR))
                    yield Happening(what, (self._names[slot], live), after)

    def _ends_of_holding(self, live: Live) -> Iterator[tuple[str, Live | None]]:
        yield "delete", None
        if self._life.grace and not live.terminating:
            yield "terminate", live._replace(terminating=True)
        if self._life.grace and live.addresses:
            yield "complete", live._replace(addresses=())

    def _changes(self, live: Live) -> Iterator[tuple[str, Live]]:
        said, reported = live.annotated, live.reported
        if self._life.reports and reported is None:
            yield "report", live._replace(reported=live.addresses)
            return
        for address in said:
            yield "edit", live._replace(said=tuple(each for each in said if each != address))
        for address in set(reported or ()).difference(said):
            left = tuple(each for each in live.addresses if each != address)
            yield "unplug", live._replace(addresses=left, said=said, reported=left)

    # The view

    def told(self, core: int, slot: int, live: Live | None) -> tuple[int, bool]:
        """As production tells it: a pod that has completed is gone."""
        key = self._keys[slot]
        if live is None or live.has_completed or (live.terminating and not self.laws.terminating_still_holds):
            # A successor need not have seen that here: whoever is given the address next is seen later in the same log.
            return self.cores.tell(core, key, None)[0], False
        holder = Holder(key, str(live.allocation), Party(*key), live.annotated, attached=live.reported)
        return self.cores.tell(core, key, holder)
