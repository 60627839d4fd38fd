"""Figures for Prometheus."""

from collections.abc import Callable, Iterator

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from kubemacpool.core.addresses import format_address
from kubemacpool.core.ledger import Ledger
from kubemacpool.ports.measures import Outcome

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
        self._unreadable = Counter(
            "kubemacpool_unreadable_objects",
            "Objects whose addresses could not be read, by kind.",
            ["kind"],
            registry=self._registry,
        )

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""
        child = self._admissions.get(outcome)
        if child is None:
            child = self._admissions[outcome] = self._admission_family.labels(outcome)
        child.observe(seconds)

    def range_judged(self, *, valid: bool) -> None:
        """The range is in force or not."""
        self._range_valid.set(1 if valid else 0)

    def unreadable(self, kind: str) -> None:
        """An object was passed over."""
        self._unreadable.labels(kind).inc()

    def follow(self, ledger: Ledger) -> None:
        """Show the ledger's state, read when the figures are asked for."""
        addresses = Gauge(
            "kubemacpool_addresses",
            "Addresses by state: held by objects, pending (granted, not seen yet), cooling (released lately).",
            ["state"],
            registry=self._registry,
        )
        addresses.labels("held").set_function(lambda: ledger.held_count)
        addresses.labels("pending").set_function(lambda: ledger.pending_count)
        addresses.labels("cooling").set_function(lambda: ledger.cooling_count)
        self._registry.register(Collisions(ledger))
        self._gauge("kubemacpool_pool_size_addresses", "Addresses in the pool.", lambda: ledger.pool.size)
        self._gauge(
            "kubemacpool_pool_free_addresses", "Addresses of the pool that are free.", lambda: ledger.free_count
        )

    def exposition(self) -> tuple[bytes, str]:
        """All figures in Prometheus' text format, and its Content-Type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(value)


class Collisions(Collector):
    """Addresses that several parties carry now, under the names that users of the Go implementation have alerts on."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """A series an address; none when there is no collision."""
        by_address = GaugeMetricFamily(
            "kmp_mac_collisions", "Objects that share a MAC address, of more than one party.", labels=["mac"]
        )
        count = 0
        for address, objects in self._ledger.collisions():
            by_address.add_metric([format_address(address)], objects)
            count += 1
        yield by_address
        yield GaugeMetricFamily(
            "kubevirt_kmp_duplicate_macs", "MAC addresses that objects of more than one party share.", value=count
        )
