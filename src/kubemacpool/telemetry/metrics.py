"""Figures for Prometheus."""

import asyncio
import time
from collections.abc import Callable
from importlib.metadata import version
from platform import python_version
from typing import get_args

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, disable_created_metrics
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.ports import Choice, Followed, Forwarding, Outcome, RefusalReason
from kubemacpool.telemetry.collectors import Collisions, Election, InFlight, Leaders, Ranges, Watches

_SECONDS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.05, 0.25, 1.0, 5.0)


class Metrics:
    """Keeps the figures of this process (implements `Measures`)."""

    def __init__(self) -> None:
        # They would be a series more for each counter and histogram; the process's start says the same.
        disable_created_metrics()  # type: ignore[no-untyped-call]
        self._registry = CollectorRegistry()
        ProcessCollector(registry=self._registry)
        PlatformCollector(registry=self._registry)
        self._watches = Watches()
        self._registry.register(self._watches)
        Gauge(
            "kubemacpool_build_info",
            "1, labelled by what runs.",
            ["version", "python_version"],
            registry=self._registry,
        ).labels(version("kubemacpool"), python_version()).set(1)
        Gauge(
            "kubemacpool_start_time_seconds",
            "When this replica's process began, in seconds since 1970.",
            registry=self._registry,
        ).set(time.time())
        admissions = Histogram(
            "kubemacpool_admission_duration_seconds",
            "Time from a review's last byte to its answer, by outcome.",
            ["outcome"],
            buckets=_SECONDS,
            registry=self._registry,
        )
        # rate() does not see the increment by which a series begins, so all that is known now begins at 0.
        self._admissions: dict[Outcome, Histogram] = {each: admissions.labels(each) for each in get_args(Outcome)}
        refusals = Counter(
            "kubemacpool_refusals",
            "Objects that were refused, by reason: an address held by another party, in flight to one, given twice, "
            "unusable for anybody; the limit of the namespace; the pool exhausted; what was written invalid.",
            ["reason"],
            registry=self._registry,
        )
        self._refusals: dict[RefusalReason, Counter] = {each: refusals.labels(each) for each in get_args(RefusalReason)}
        allocated = Counter(
            "kubemacpool_allocated_addresses",
            "Addresses that were allocated, by who chose them: automatic (the pool), given (the object or a sticky "
            "pod's name).",
            ["choice"],
            registry=self._registry,
        )
        self._allocated: dict[Choice, Counter] = {each: allocated.labels(each) for each in get_args(Choice)}
        Gauge(
            "kubemacpool_asyncio_tasks",
            "Tasks of the event loop; a number that only grows is a leak.",
            registry=self._registry,
        ).set_function(_tasks)
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
        self._in_effect = Gauge(
            "kubemacpool_webhooks_in_effect",
            "1 if ClusterRoleBinding kubemacpool-serving has the API server ask us, 0 if pods are created without us.",
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
            self._forwarded.labels(outcome)

    def admission(self, outcome: Outcome, seconds: float) -> None:
        """One admission was answered."""
        self._admissions[outcome].observe(seconds)

    def refused(self, reason: RefusalReason) -> None:
        """One object was refused."""
        self._refusals[reason].inc()

    def allocated(self, choice: Choice, addresses: int) -> None:
        """So many addresses were allocated."""
        self._allocated[choice].inc(addresses)

    def forwarded(self, outcome: Forwarding) -> None:
        """One review was forwarded."""
        self._forwarded.labels(outcome).inc()

    def range_judged(self, *, valid: bool) -> None:
        """The range is in force or not."""
        self._range_valid.set(1 if valid else 0)

    def ca_bundle_judged(self, *, valid: bool) -> None:
        """The API server trusts us or does not."""
        self._ca_bundle_valid.set(1 if valid else 0)

    def effect_judged(self, *, in_effect: bool) -> None:
        """The webhooks are in effect or not."""
        self._in_effect.set(1 if in_effect else 0)

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

    def follow(self, resource: str, followed: Followed) -> None:
        """Show a watch, read when the figures are asked for; one of a single object by that object's name."""
        self._watches.followed[resource] = followed

    def show_ledger(self, ledger: Ledger) -> None:
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
        self._registry.register(Ranges(ledger))
        self._gauge("kubemacpool_pool_size_addresses", "Addresses in the pool.", lambda: ledger.pool.size)
        self._gauge(
            "kubemacpool_pool_free_addresses", "Addresses of the pool that are free.", lambda: ledger.free_count
        )

    def show_election(self, election: Election, allocator: Allocator) -> None:
        """Show who leads, read when the figures are asked for."""
        self._gauge("kubemacpool_leader", "1 if this replica leads, 0 if another does.", lambda: election.leading)
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
        self._registry.register(Leaders(election))

    def exposition(self) -> tuple[bytes, str]:
        """All figures in Prometheus' text format, and its Content-Type."""
        return generate_latest(self._registry), CONTENT_TYPE_LATEST

    def _gauge(self, name: str, text: str, value: Callable[[], float]) -> None:
        Gauge(name, text, registry=self._registry).set_function(value)


def _tasks() -> int:
    """How many tasks there are; none where no event loop runs."""
    try:
        return len(asyncio.all_tasks())
    except RuntimeError:
        return 0
