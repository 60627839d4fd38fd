"""What happens to objects and admissions, whatever we do."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.model.cluster import Change, Cluster, Live, changed_by
from tests.model.numbered import Numbered


class Happening(NamedTuple):
    """One thing that may happen.

    Attributes:
        what: in a few words.
        details: to which object.
        cluster: the number of the cluster after it.
        duplicate: whether two parties hold one address after it.
    """

    what: str
    details: tuple[object, ...]
    cluster: int
    duplicate: bool = False


class Happenings:
    """Finds, and remembers, what may happen in a cluster."""

    def __init__(self, names: Sequence[str], clusters: Numbered[Cluster], *, grace: bool) -> None:
        """Know nothing yet.

        Args:
            names: of the objects.
            clusters: where their numbers come from.
            grace: whether an object may be terminating for a while, and may complete.
        """
        self._names = names
        self._clusters = clusters
        self._grace = grace
        self._known: dict[int, list[Happening]] = {}

    def from_(self, number: int) -> list[Happening]:
        """Everything that may happen next."""
        known = self._known.get(number)
        if known is None:
            cluster = self._clusters.values[number]
            known = self._known[number] = [*self._arrivals(cluster), *self._departures(cluster)]
        return known

    def _arrivals(self, cluster: Cluster) -> Iterator[Happening]:
        held = {address for live in cluster.objects if live is not None for address in live.addresses}
        for index, flight in enumerate(cluster.flights):
            if cluster.objects[flight.name] is None:  # one object of a name at a time
                live = Live(flight.grant, flight.addresses)
                landed = cluster._replace(flights=cluster.flights[:index] + cluster.flights[index + 1 :])
                after = self._clusters.number(changed_by(landed, Change(flight.name, live, persisted=True)))
                yield Happening("persist", (self._names[flight.name], live), after, not held.isdisjoint(live.addresses))

    def _departures(self, cluster: Cluster) -> Iterator[Happening]:
        for name, present in enumerate(cluster.objects):
            if present is not None:
                for what, live in self._ends_of_holding(present):
                    after = self._clusters.number(changed_by(cluster, Change(name, live)))
                    yield Happening(what, (self._names[name], live), after)

    def _ends_of_holding(self, live: Live) -> Iterator[tuple[str, Live | None]]:
        yield "delete", None
        if self._grace and not live.terminating:
            yield "terminate", live._replace(terminating=True)
        if self._grace and live.addresses:
            yield "complete", live._replace(addresses=())
        if len(live.addresses) > 1:
            for index in range(len(live.addresses)):
                yield "change to", live._replace(addresses=live.addresses[:index] + live.addresses[index + 1 :])
