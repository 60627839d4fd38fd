"""Figures that are read when they are asked for."""

from collections.abc import Iterator
from heapq import nlargest
from itertools import islice
from typing import TYPE_CHECKING, Final, Protocol

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from kubemacpool.core.addresses import format_address
from kubemacpool.core.budgets import SHARE
from kubemacpool.core.ledger import Ledger

if TYPE_CHECKING:
    from kubemacpool.ports import Followed


class Election(Protocol):
    """What there is to show of the election."""

    @property
    def leading(self) -> bool:
        """Whether this replica leads."""
        ...

    @property
    def transitions(self) -> int:
        """How often the Lease has changed hands."""
        ...

    @property
    def seconds_since_renewal(self) -> float:
        """Since the Lease was last renewed."""
        ...

    @property
    def seconds_without_leader(self) -> float:
        """For how long altogether nobody led, as far as is known by now."""
        ...


MOST_SERIES: Final = 1_000
"""Addresses with a series of their own: users can make any number of them collide, and Prometheus keeps each series.
One that was found first stays until it is resolved, so none comes and goes, or is pushed out by later ones."""

MOST_NAMESPACES: Final = 10
"""With a series of their own."""

MOST_RANGES: Final = 20
"""Of the pool, with a series of their own: those that come first in the ConfigMap."""


class Leaders(Collector):
    """How often the leader changed, and how long nobody led; counters, so that both can be looked at over any time."""

    def __init__(self, election: Election) -> None:
        self._election = election

    def collect(self) -> Iterator[CounterMetricFamily]:
        """Two series."""
        transitions = CounterMetricFamily("kubemacpool_lease_transitions", "How often the Lease has changed hands.")
        if self._election.transitions:  # before the Lease is read, 0 would be taken for a counter's having been reset
            transitions.add_metric([], self._election.transitions)
        yield transitions
        yield CounterMetricFamily(
            "kubemacpool_without_leader_seconds",
            "Time for which nobody led, as far as this replica knows, since it started. A leader that ended "
            "without releasing the Lease counts as gone from its last renewal, once another has acquired it.",
            value=self._election.seconds_without_leader,
        )


class Collisions(Collector):
    """Addresses that several parties carry now, under the names that users of the Go implementation have alerts on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A series an address; none when there is no collision."""
        by_address = GaugeMetricFamily(
            "kmp_mac_collisions",
            f"Objects that share a MAC address, of more than one party; of the {MOST_SERIES} found first.",
            labels=["mac"],
        )
        found = self._ledger.collisions()
        for address, objects in islice(found.items(), MOST_SERIES):
            by_address.add_metric([format_address(address)], objects)
        yield by_address
        yield GaugeMetricFamily(
            "kubevirt_kmp_duplicate_macs", "MAC addresses that objects of more than one party share.", value=len(found)
        )


class InFlight(Collector):
    """What namespaces have of their budgets, on the leader."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A series for each of the namespaces that have most."""
        family = GaugeMetricFamily(
            "kubemacpool_in_flight_addresses",
            f"Addresses allocated and not seen yet, of the {MOST_NAMESPACES} namespaces with most; "
            f"one may have {SHARE}.",
            labels=["namespace"],
        )
        in_flight = self._ledger.in_flight()
        for namespace in nlargest(MOST_NAMESPACES, in_flight, key=in_flight.__getitem__):
            family.add_metric([namespace], in_flight[namespace])
        yield family
        yield GaugeMetricFamily(
            "kubemacpool_in_flight_limit_addresses",
            "Addresses allocated and not seen yet that one namespace may have.",
            value=SHARE,
        )


class Ranges(Collector):
    """How full each range of the pool is."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """Two series a range; where ranges overlap, an address counts in each."""
        size, free = (
            GaugeMetricFamily(f"kubemacpool_range_{name}_addresses", text, labels=["range"])
            for name, text in (
                ("size", f"Addresses of a range that are in the pool; of the first {MOST_RANGES} ranges."),
                ("free", f"Addresses of a range that are in the pool and free; of the first {MOST_RANGES} ranges."),
            )
        )
        ranges = self._ledger.pool.ranges[:MOST_RANGES]
        for each, (there, left) in zip(ranges, self._ledger.free_in(ranges), strict=True):
            size.add_metric([str(each)], there)
            free.add_metric([str(each)], left)
        yield size
        yield free


class Watches(Collector):
    """How old what is known of each resource may be, and how often it was listed."""

    def __init__(self) -> None:
        self.followed: dict[str, Followed] = {}
        """By resource."""

    def collect(self) -> Iterator[GaugeMetricFamily | CounterMetricFamily]:
        """Two series for each resource that is followed."""
        age = GaugeMetricFamily(
            "kubemacpool_watch_age_seconds",
            "Since the API server was last heard of a resource that is followed; it sends something about once a "
            "minute, also where nothing happens.",
            labels=["resource"],
        )
        lists = CounterMetricFamily(
            "kubemacpool_watch_lists",
            "Complete lists of a resource that is followed; any but the first follows a loss of history.",
            labels=["resource"],
        )
        for resource, followed in self.followed.items():
            silent = followed.silent_seconds
            if silent is not None:
                age.add_metric([resource], silent)
                lists.add_metric([resource], followed.lists)
        yield age
        yield lists
