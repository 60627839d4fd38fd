"""What the API server was asked to write, by its own request metrics."""

from __future__ import annotations

import re
import time
from collections import Counter
from typing import TYPE_CHECKING

from bench.results import Writes

if TYPE_CHECKING:
    from devcluster.api import ApiServer

WRITING = frozenset({"POST", "PUT", "PATCH", "APPLY", "DELETE", "DELETECOLLECTION"})
# What the benchmark asks for itself.
LOAD = "POST pods"
_REQUESTS = re.compile(r"^apiserver_request_total\{(?P<labels>.*)\} (?P<count>\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')


def requested(exposition: str) -> Counter[str]:
    """Count the requests that change something, by verb, resource and subresource; dry runs change nothing."""
    counts: Counter[str] = Counter()
    for match in _REQUESTS.finditer(exposition):
        labels = dict(_LABEL.findall(match["labels"]))
        if labels["verb"] in WRITING and not labels.get("dry_run"):
            resource = "/".join(filter(None, (labels["resource"], labels["subresource"])))
            counts[f"{labels['verb']} {resource}"] += round(float(match["count"]))
    return counts


class Writing:
    """Counts from when it was made."""

    def __init__(self, api: ApiServer) -> None:
        self._api = api
        self._before = requested(self._exposition())
        self._begun = time.monotonic()

    def so_far(self) -> Writes:
        """Return what was written since, beside the pods of the load."""
        seconds = time.monotonic() - self._begun
        counts = requested(self._exposition()) - self._before
        del counts[LOAD]
        return Writes(seconds, dict(counts))

    def _exposition(self) -> str:
        return self._api.request("GET", "/metrics").decode()
