"""The PrometheusRule: the rules that promtool tests, as the Prometheus operator takes them."""

from __future__ import annotations

import textwrap
from typing import Final

from manifests.releases import CONFIG

SOURCE: Final = CONFIG / "monitoring" / "kubemacpool.rules.yaml"
TARGET: Final = CONFIG / "monitoring" / "rules.yaml"

HEADER: Final = """# Made from kubemacpool.rules.yaml by `make manifests`.
apiVersion: monitoring.coreos.com/v1
kind: PrometheusRule
metadata:
  name: kubemacpool
  namespace: kubemacpool-system
  labels:
    app: kubemacpool
spec:
"""


def rules() -> str:
    """Return the object as it is to be, with the comments of its source."""
    source = SOURCE.read_text(encoding="utf-8")
    return HEADER + textwrap.indent(source[source.index("groups:") :], "  ")
