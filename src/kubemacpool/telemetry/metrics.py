"""Figures for Prometheus."""

from collections.abc import Callable, Iterator
from heapq import nlargest
from itertools import islice
from typing import Final, Protocol, get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from kubemacpool.core.addresses import format_address
from kubemacpool.core.allocator import Allocator
from kubemacpool.core.budgets import SHARE
from kubemacpool.core.ledger import Ledger
from kubemacpool.ports import Forwarding, Outcome


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

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)


class Metrics:
    """Keeps the figures of this process (implements `Measures`)."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        admissions = Histogram(
            "kubemacpool_admission_duration_seconds",
            "Time from a review's last byte to its answer, by outcome.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        self._admissions: dict[Outcome, Histogram] = {}
        self._admission_family = admissions
        self._range_valid = Gauge(
            "kubemacpool_range_valid",
            "1 if the range in ConfigMap kubemacpool-mac-range-config is in force, 0 if it is wrong or missing.",
            registry=self._registry,
        )
        self._ca_bundle_valid = Gauge(
            "kubemacpool_ca_bundle_valid",
            "1 if MutatingWebhookConfiguration kubemacpool-mutator has the API server trust us, 0 if not.",
            registry=self._registry,
        )
        self._certificate_expiry = Gauge(
            "kubemacpool_certificate_expiry_timestamp_seconds",
            "When a certificate ends: of our authority, and the one that is served to the API server.",
            ["certificate"],
            registry=self._registry,
        )
        self._certificate_renewal = Gauge(
            "kubemacpool_certificate_renewal_timestamp_seconds",
            "When the same is due to be renewed; past that, it could not be.",
            ["certificate"],
            registry=self._registry,
        )
        self._unreadable = Counter(
            "kubemacpool_unreadable_objects",
            "Objects whose addresses could not be read, by kind.",
            ["kind"],
            registry=self._registry,
        )
        self._events_dropped = Counter(
            "kubemacpool_events_dropped",
            "Events that were not written because there were too many, by reason.",
            ["reason"],
            registry=self._registry,
        )
        self._set_aside = Gauge(
            "kubemacpool_objects_set_aside",
            "Objects that are set aside because taking them in failed, by kind; see the log.",
            ["kind"],
            registry=self._registry,
        )
        self._task_restarts = Counter(
            "kubemacpool_task_restarts",
            "Tasks that failed and were started again, by name; see the log.",
            ["task"],
            registry=self._registry,
        )
        self._forwarded = Counter(
            "kubemacpool_forwarded_reviews",
            "Reviews forwarded to the leader, by outcome: answered, misdirected (it does not), failed.",
            ["outcome"],
            registry=self._registry,
        )
        for outcome in get_args(Forwarding):
            self._forwarded.labels(outcome)  # rate() does not see the increment by which a series begins

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""
        child = self._admissions.get(outcome)
        if child is None:
            child = self._admissions[outcome] = self._admission_family.labels(outcome)
        child.observe(seconds)

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was forwarded."""
        self._forwarded.labels(outcome).inc()

    def range_judged(self, *, valid: bool) -> None:
        """The range is in force or not."""
        self._range_valid.set(1 if valid else 0)

    def ca_bundle_judged(self, *, valid: bool) -> None:
        """The API server trusts us or does not."""
        self._ca_bundle_valid.set(1 if valid else 0)

    def certificate_ends(self, certificate: str, expiry: float, renewal: float) -> None:
        """The certificate ends then and is due to be renewed then, in seconds since 1970."""
        self._certificate_expiry.labels(certificate).set(expiry)
        self._certificate_renewal.labels(certificate).set(renewal)

    def unreadable(self, kind: str) -> None:
        """An object was passed over."""
        self._unreadable.labels(kind).inc()

    def event_dropped(self, reason: str) -> None:
        """An Event was not written."""
        self._events_dropped.labels(reason).inc()

    def set_aside(self, kind: str, objects: int) -> None:
        """So many objects are set aside now."""
        self._set_aside.labels(kind).set(objects)

    def task_restarted(self, task: str) -> None:
        """A task was started again."""
        self._task_restarts.labels(task).inc()

    def follow(self, ledger: Ledger) -> None:
        """Show the ledger's state, read when the figures are asked for."""
        addresses = Gauge(
            "kubemacpool_addresses",
            "Addresses by state: held by objects, in flight (allocated, not seen yet), in doubt (perhaps allocated by "
            "an earlier leader), cooling (released lately).",
            ["state"],
            registry=self._registry,
        )
        addresses.labels("held").set_function(lambda: ledger.held_count)
        addresses.labels("in_flight").set_function(lambda: ledger.in_flight_count)
        addresses.labels("in_doubt").set_function(lambda: ledger.in_doubt_count)
        addresses.labels("cooling").set_function(lambda: ledger.cooling_count)
        self._registry.register(Collisions(ledger))
        self._registry.register(InFlight(ledger))
        self._gauge("kubemacpool_pool_size_addresses", "Addresses in the pool.", lambda: ledger.pool.size)
        self._gauge(
            "kubemacpool_pool_free_addresses", "Addresses of the pool that are free.", lambda: ledger.free_count
        )

    def follow_election(self, election: Election, allocator: Allocator) -> None:
        """Show who leads, read when the figures are asked for."""
        self._gauge("kubemacpool_leader", "1 if this replica leads, 0 if another does.", lambda: election.leading)
        self._gauge(
            "kubemacpool_lease_transitions", "How often the Lease has changed hands.", lambda: election.transitions
        )
        self._gauge(
            "kubemacpool_lease_renewal_age_seconds",
            "Since the Lease was last renewed, by this replica or as it sees it.",
            lambda: election.seconds_since_renewal,
        )
        self._gauge(
            "kubemacpool_lease_reserved_addresses",
            "Addresses that the Lease lists for this replica to allocate.",
            lambda: len(allocator.reservations),
        )
        self._registry.register(TimeWithoutLeader(election))

    def exposition(self) -> tuple[bytes, str]:
        """All figures in Prometheus' text format, and its Content-Type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(value)


class TimeWithoutLeader(Collector):
    """How long nobody led; a counter, so that it can be looked at over any time."""

    def __init__(self, election: Election) -> None:
        self._election = election

    def collect(self) -> Iterator[CounterMetricFamily]:
        """One series."""
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
