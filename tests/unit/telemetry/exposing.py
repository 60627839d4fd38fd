"""The names of all series that a replica exposes."""

from prometheus_client.parser import text_string_to_metric_families
from tests.unit.doubles import new_allocator

from kubemacpool.telemetry.metrics import Metrics


class Election:
    """Somebody leads."""

    leading = True
    transitions = 1
    seconds_since_renewal = 0.5
    seconds_without_leader = 2.0


def exposed() -> set[str]:
    """Of families and of their samples, each of which has been there once."""
    allocator = new_allocator()
    metrics = Metrics()
    metrics.follow(allocator.ledger)
    metrics.follow_election(Election(), allocator)
    metrics.admission("allocated", 0.001)
    metrics.forwarded("answered")
    metrics.unreadable("Pod")
    metrics.event_dropped("MACCollision")
    metrics.set_aside("Pod", 1)
    metrics.task_restarted("events")
    families = list(text_string_to_metric_families(metrics.exposition()[0].decode()))
    return {name for family in families for name in (family.name, *(sample.name for sample in family.samples))}
