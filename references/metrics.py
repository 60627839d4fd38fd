"""The reference of metrics: every family that a replica can expose, with its type, labels and help."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from prometheus_client.parser import text_string_to_metric_families

from kubemacpool.core.allocator import Allocator
from kubemacpool.core.ledger import Ledger
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.core.pool import AddressRange, Pool
from kubemacpool.telemetry.metrics import Metrics

if TYPE_CHECKING:
    from prometheus_client import Metric

PAGE: Final = Path(__file__).parents[1] / "docs" / "reference" / "metrics.md"
FIRST: Final = 0x02_00_00_00_00_01

HEADER: Final = """# Metrics

Made from the code by `make references`. Every replica exposes them all; what is in flight and in doubt is known to the
leader alone, and each replica counts the reviews that it decided itself.

| metric | type | labels | meaning |
|---|---|---|---|
"""


class _Election:
    """Somebody leads."""

    leading = True
    transitions = 1
    seconds_since_renewal = 0.5
    seconds_without_leader = 2.0


class _Watch:
    """Something is followed."""

    silent_seconds = 0.5
    lists = 1


def exposition() -> str:
    """What a replica exposes of which every family has a sample, as Prometheus reads it."""
    ledger = Ledger(Pool([AddressRange(FIRST, FIRST + 15)]), in_flight_bound=1, cool_down=1)
    for name in ("a", "b"):
        pod = ObjectKey("Pod", "default", name)
        ledger.observe(Holder(pod, name, Party(*pod), (FIRST,)), 0.0)
    ledger.allocate(FIRST + 1, Party("Pod", "default", "c"), 0.0)
    metrics = Metrics()
    metrics.show_ledger(ledger)
    metrics.show_election(_Election(), Allocator(ledger))
    metrics.follow("pods", _Watch())
    metrics.unreadable("Pod")
    metrics.event_dropped("MACCollision")
    metrics.set_aside("Pod", 1)
    metrics.task_restarted("events")
    metrics.certificate_ends("serving", 2.0, 1.0)
    return metrics.exposition()[0].decode()


def families() -> list[Metric]:
    """Every family that a replica can expose."""
    return list(text_string_to_metric_families(exposition()))


def text() -> str:
    """Return the page as it is to be: our own families, then those that users of the Go implementation know."""
    ours = sorted((each for each in families() if _is_ours(each)), key=lambda each: each.name)
    return HEADER + "".join(map(_row, ours)) + FOOTER


FOOTER: Final = """
Beside these there are `process_cpu_seconds_total` and the other figures of the process that Prometheus' client
libraries have in common. `kubemacpool_admission_duration_seconds` is a histogram: the series of that name with
`_bucket`, `_count` and `_sum` behind it are what is scraped.
"""


def _is_ours(family: Metric) -> bool:
    return family.name.startswith(("kubemacpool_", "kmp_", "kubevirt_kmp_"))


def _row(family: Metric) -> str:
    name = f"{family.name}_total" if family.type == "counter" else family.name
    labels = {label for sample in family.samples for label in sample.labels if label != "le"}
    shown = ", ".join(f"`{label}`" for label in sorted(labels))
    return f"| `{name}` | {family.type} | {shown} | {family.documentation} |\n"
