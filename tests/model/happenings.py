"""What happens to objects and admissions, whatever we do."""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tests.model.cluster import Change, Cluster, Live, changed_by, clash
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

    def __init__(
        self, names: Sequence[str], clusters: Numbered[Cluster], *, grace: bool, edits: bool, reports: bool
    ) -> None:
        """Know nothing yet.

        Args:
            names: of the objects.
            clusters: where their numbers come from.
            grace: whether an object may be terminating for a while, and may complete.
            edits: whether an annotation may change, though not before all have seen it: a replica that has not, and
                lists afresh, knows only what is reported.
            reports: whether there is a network-status, without which no annotation changes then; and an interface is
                unplugged when its annotation does not say it any more.
        """
        self._update = names
        self._clusters = clusters
        self._grace = grace
        self._edits = edits
        self._reports = reports
        self._known: dict[int, list[Happening]] = {}

    def from_(self, number: int) -> list[Happening]:
        """Everything that may happen next."""
        known = self._known.get(number)
        if known is None:
            cluster = self._clusters.values[number]
            known = self._known[number] = [*self._arrivals(cluster), *self._departures(cluster)]
        return known

    def _arrivals(self, cluster: Cluster) -> Iterator[Happening]:
        held = [live for live in cluster.objects if live is not None]
        for index, flight in enumerate(cluster.flights):
            if cluster.objects[flight.name] is None:  # one object of a name at a time
                live = Live(flight.allocation, flight.addresses, shared=flight.shared)
                landed = cluster._replace(flights=cluster.flights[:index] + cluster.flights[index + 1 :])
                after = self._clusters.number(changed_by(landed, Change(flight.name, live, persisted=True)))
                duplicate = any(clash(live, other) for other in held)
                yield Happening("persist", (self._update[flight.name], live), after, duplicate)

    def _departures(self, cluster: Cluster) -> Iterator[Happening]:
        for name, present in enumerate(cluster.objects):
            if present is not None:
                ways = [*self._ends_of_holding(present)]
                if self._edits and all(change.name != name for change in cluster.log):
                    ways += self._changes(present)
                for what, live in ways:
                    after = self._clusters.number(changed_by(cluster, Change(name, live)))
                    yield Happening(what, (self._update[name], live), after)

    def _ends_of_holding(self, live: Live) -> Iterator[tuple[str, Live | None]]:
        yield "delete", None
        if self._grace and not live.terminating:
            yield "terminate", live._replace(terminating=True)
        if self._grace and live.addresses:
            yield "complete", live._replace(addresses=())

    def _changes(self, live: Live) -> Iterator[tuple[str, Live]]:
        said, reported = live.annotated, live.reported
        if self._reports and reported is None:
            yield "report", live._replace(reported=live.addresses)
            return
        for address in said:
            yield "edit", live._replace(said=tuple(each for each in said if each != address))
        for address in set(reported or ()).difference(said):
            left = tuple(each for each in live.addresses if each != address)
            yield "unplug", live._replace(addresses=left, said=said, reported=left)
