"""The Grafana dashboard: its JSON, and a ConfigMap with it for the sidecar of Grafana's chart.

A panel is a title, what it says, a unit and its queries; where it stands follows from its order.
"""

from __future__ import annotations

import json
import textwrap
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from manifests.releases import CONFIG

if TYPE_CHECKING:
    from collections.abc import Iterator

TARGET: Final = CONFIG / "monitoring" / "kubemacpool-dashboard.json"
CONFIG_MAP: Final = CONFIG / "monitoring" / "dashboard.yaml"

HEADER: Final = """# Made by `make manifests`. Grafana's sidecar looks for the label in the namespaces that it watches.
apiVersion: v1
kind: ConfigMap
metadata:
  name: kubemacpool-dashboard
  namespace: kubemacpool-system
  labels:
    app: kubemacpool
    grafana_dashboard: "1"
data:
  kubemacpool-dashboard.json: |
"""

WIDTH: Final = 24
DATASOURCE: Final = {"type": "prometheus", "uid": "${datasource}"}
WEBHOOKS: Final = 'name=~"mutate.+[.]kubemacpool[.]io"'
OF_REPLICAS: Final = "* on (instance, job) group_left () kubemacpool_build_info"
RATE: Final = "[$__rate_interval]"


@dataclass(frozen=True, slots=True)
class Panel:
    """One picture.

    Attributes:
        title: what it shows.
        text: what to read from it.
        unit: as Grafana names it.
        queries: legend to PromQL.
        kind: Grafana's.
        width: of 24.
    """

    title: str
    text: str
    unit: str
    queries: dict[str, str]
    kind: str = "timeseries"
    width: int = 8


def _stat(title: str, text: str, unit: str, queries: dict[str, str]) -> Panel:
    return Panel(title, text, unit, queries, kind="stat", width=4)


def _until(moment: str) -> str:
    return f"min by (certificate) ({moment}) - time()"


def _quantile(share: float, by: str, buckets: str) -> str:
    return f"histogram_quantile({share}, sum by ({by}) (rate({buckets}{RATE})))"


DURATIONS: Final = "kubemacpool_admission_duration_seconds_bucket"
CALLS: Final = f"apiserver_admission_webhook_admission_duration_seconds_bucket{{{WEBHOOKS}}}"

ROWS: Final[dict[str, tuple[Panel, ...]]] = {
    "Now": (
        _stat("Leader", "The replica that allocates.", "none", {"{{instance}}": "kubemacpool_leader == 1"}),
        _stat(
            "Replicas",
            "Replicas that are scraped.",
            "none",
            {"{{version}}": "count by (version) (kubemacpool_build_info)"},
        ),
        _stat(
            "Pool free", "The share of the pool that is free.", "percentunit", {"free": "kubemacpool:pool_free:ratio"}
        ),
        _stat(
            "Collisions",
            "Addresses that several objects share.",
            "none",
            {"addresses": "max(kubevirt_kmp_duplicate_macs)"},
        ),
        _stat(
            "Trusted",
            "1 where the API server trusts the replicas.",
            "none",
            {"trusted": "min(kubemacpool_ca_bundle_valid)"},
        ),
        _stat(
            "Certificates",
            "Until the next one ends.",
            "s",
            {"{{certificate}}": _until("kubemacpool_certificate_expiry_timestamp_seconds")},
        ),
    ),
    "Reviews": (
        Panel(
            "Reviews by outcome",
            "Decided by the leader, but for those that need no decision. Unavailable ones are asked again.",
            "reqps",
            {"{{outcome}}": f"sum by (outcome) (rate(kubemacpool_admission_duration_seconds_count{RATE}))"},
        ),
        Panel(
            "Latency",
            "From a review's last byte to its answer, in the replica that decided it.",
            "s",
            {
                "median": _quantile(0.5, "le", DURATIONS),
                "p99": _quantile(0.99, "le", DURATIONS),
            },
        ),
        Panel(
            "Latency to the API server",
            "The same with the network, and with the way to the leader.",
            "s",
            {"p99 {{name}}": _quantile(0.99, "name, le", CALLS)},
        ),
        Panel(
            "Refusals by reason",
            "Objects that were not let in, and why.",
            "reqps",
            {"{{reason}}": f"sum by (reason) (rate(kubemacpool_refusals_total{RATE}))"},
        ),
        Panel(
            "Calls of the API server that fail",
            "Not refused by us: unreachable, not trusted, or too late.",
            "reqps",
            {
                "{{name}} {{error_type}}": "sum by (name, error_type) "
                f'(rate(apiserver_admission_webhook_rejection_count{{{WEBHOOKS},error_type!="no_error"}}{RATE})) '
                "or vector(0)"
            },
        ),
        Panel(
            "Forwarded to the leader",
            "By replicas that do not lead; failed ones are tried again.",
            "reqps",
            {"{{outcome}}": f"sum by (outcome) (rate(kubemacpool_forwarded_reviews_total{RATE}))"},
        ),
    ),
    "Pool": (
        Panel(
            "How full",
            "Free addresses, and what they would be in three days by the last six hours.",
            "none",
            {
                "size": "max(kubemacpool_pool_size_addresses)",
                "free": "kubemacpool:pool_free_addresses:min",
                "forecast": "clamp_min(predict_linear(kubemacpool:pool_free_addresses:min[6h], 3 * 86400), 0)",
            },
        ),
        Panel(
            "Addresses by state",
            "In flight: allocated and not seen yet. In doubt: perhaps allocated by a leader that crashed.",
            "none",
            {"{{state}}": "max by (state) (kubemacpool_addresses)"},
        ),
        Panel(
            "Allocated",
            "Addresses, by who chose them.",
            "ops",
            {"{{choice}}": f"sum by (choice) (rate(kubemacpool_allocated_addresses_total{RATE}))"},
        ),
        Panel(
            "Free by range",
            "As the ConfigMap has the ranges.",
            "none",
            {"{{range}}": "min by (range) (kubemacpool_range_free_addresses)"},
        ),
        Panel(
            "In flight by namespace",
            "The namespaces with most, and what one may have.",
            "none",
            {
                "{{namespace}}": "max by (namespace) (kubemacpool_in_flight_addresses)",
                "limit": "max(kubemacpool_in_flight_limit_addresses)",
            },
        ),
        Panel(
            "Collisions",
            "Objects that share an address, of the ten addresses with most.",
            "none",
            {"{{mac}}": "topk(10, max by (mac) (kmp_mac_collisions))"},
        ),
    ),
    "Leader": (
        Panel("Who leads", "1 for the replica that does.", "none", {"{{instance}}": "kubemacpool_leader"}),
        Panel(
            "Changes of the leader",
            "Changes, and the seconds for which nobody led.",
            "none",
            {
                "changes": f"max(increase(kubemacpool_lease_transitions_total{RATE}))",
                "seconds without": f"max(increase(kubemacpool_without_leader_seconds_total{RATE}))",
            },
        ),
        Panel(
            "Age of the Lease's renewal",
            "It is renewed every second or two, and lost after five.",
            "s",
            {"{{instance}}": "kubemacpool_lease_renewal_age_seconds"},
        ),
    ),
    "Cluster": (
        Panel(
            "Age of the watches",
            "Something is heard about once a minute at least.",
            "s",
            {"{{resource}}": "max by (resource) (kubemacpool_watch_age_seconds)"},
        ),
        Panel(
            "Lists",
            "Each after the first follows a loss of history.",
            "none",
            {"{{resource}}": f"sum by (resource) (increase(kubemacpool_watch_lists_total{RATE}))"},
        ),
        Panel(
            "Certificates",
            "Until they end, and until they are due to be renewed.",
            "s",
            {
                "{{certificate}} ends": _until("kubemacpool_certificate_expiry_timestamp_seconds"),
                "{{certificate}} due": _until("kubemacpool_certificate_renewal_timestamp_seconds"),
            },
        ),
    ),
    "Replicas": (
        Panel(
            "CPU", "Of each replica.", "none", {"{{instance}}": f"rate(process_cpu_seconds_total{RATE}) {OF_REPLICAS}"}
        ),
        Panel("Memory", "Of each replica.", "bytes", {"{{instance}}": f"process_resident_memory_bytes {OF_REPLICAS}"}),
        Panel(
            "What needs to be looked at",
            "Faults that were survived, objects that cannot be read, and Events that were not written.",
            "none",
            {
                "restarts of replicas": "sum(changes(kubemacpool_start_time_seconds[1h]))",
                "restarts of tasks": "sum(increase(kubemacpool_task_restarts_total[1h])) or vector(0)",
                "objects set aside": "sum(kubemacpool_objects_set_aside) or vector(0)",
                "objects not read": "sum(increase(kubemacpool_unreadable_objects_total[1h])) or vector(0)",
                "Events dropped": "sum(increase(kubemacpool_events_dropped_total[1h])) or vector(0)",
            },
        ),
    ),
}


def dashboard() -> str:
    """Return the dashboard as JSON."""
    return json.dumps(_model(), indent=2) + "\n"


def config_map() -> str:
    """Return the ConfigMap that has it."""
    return HEADER + textwrap.indent(dashboard(), "    ")


def queries() -> Iterator[str]:
    """Every query of it."""
    for panels in ROWS.values():
        for panel in panels:
            yield from panel.queries.values()


def _model() -> dict[str, Any]:
    variable = {
        "type": "datasource",
        "name": "datasource",
        "label": "Prometheus",
        "query": "prometheus",
        "hide": 0,
        "multi": False,
        "includeAll": False,
        "refresh": 1,
        "options": [],
    }
    return {
        "uid": "kubemacpool",
        "title": "KubeMacPool",
        "description": "MAC addresses from a pool: who leads, what is allocated and refused, how full the pool is.",
        "tags": ["kubemacpool", "network"],
        "schemaVersion": 42,
        "editable": True,
        "graphTooltip": 1,
        "refresh": "30s",
        "timezone": "browser",
        "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [variable]},
        "annotations": {"list": []},
        "links": [],
        "panels": list(_panels()),
    }


def _panels() -> Iterator[dict[str, Any]]:
    number, top = 0, 0
    for title, panels in ROWS.items():
        number += 1
        yield {
            "id": number,
            "type": "row",
            "title": title,
            "collapsed": False,
            "gridPos": {"x": 0, "y": top, "w": WIDTH, "h": 1},
            "panels": [],
        }
        top += 1
        height, left = (4 if panels[0].kind == "stat" else 8), 0
        for panel in panels:
            if left + panel.width > WIDTH:
                left, top = 0, top + height
            number += 1
            yield _picture(panel, number, {"x": left, "y": top, "w": panel.width, "h": height})
            left += panel.width
        top += height


def _picture(panel: Panel, number: int, place: dict[str, int]) -> dict[str, Any]:
    named = panel.kind == "stat" and panel.title == "Leader"
    options: dict[str, Any] = (
        {
            "reduceOptions": {"values": False, "calcs": ["lastNotNull"], "fields": ""},
            "textMode": "name" if named else "value_and_name",
            "colorMode": "none",
            "graphMode": "none",
            "justifyMode": "auto",
            "orientation": "auto",
            "wideLayout": True,
            "showPercentChange": False,
            "percentChangeColorMode": "standard",
        }
        if panel.kind == "stat"
        else {
            "legend": {"displayMode": "list", "placement": "bottom", "showLegend": True, "calcs": []},
            "tooltip": {"mode": "multi", "sort": "desc"},
        }
    )
    return {
        "id": number,
        "type": panel.kind,
        "title": panel.title,
        "description": panel.text,
        "datasource": DATASOURCE,
        "gridPos": place,
        "fieldConfig": {"defaults": {"unit": panel.unit, "min": 0}, "overrides": []},
        "options": options,
        "targets": [
            {
                "refId": chr(ord("A") + place_of_query),
                "datasource": DATASOURCE,
                "expr": expression,
                "legendFormat": legend,
                "instant": panel.kind == "stat",
                "range": panel.kind != "stat",
            }
            for place_of_query, (legend, expression) in enumerate(panel.queries.items())
        ],
    }
