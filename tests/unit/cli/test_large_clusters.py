"""A large cluster costs little beside what the API server takes, and what reading JSON takes anyway."""

import json
import sys
import time
from collections.abc import Callable

import pytest

from kubemacpool.cli.cluster.survey import Survey, take_in_one
from kubemacpool.cli.list import answer_of, items_of
from kubemacpool.cli.output import show
from kubemacpool.cli.pool.desk import Desk
from kubemacpool.cli.pool.ranges import SHIPPED, pool_of

PODS = 20_000
NETWORKS = "k8s.v1.cni.cncf.io/networks"


def _pod(number: int) -> bytes:
    macs = [(0x020000000001 + 2 * number + more).to_bytes(6, "big").hex(":") for more in (0, 1)]
    fields = {"f:metadata": {"f:annotations": {".": {}, f"f:{NETWORKS}": {}}}, "f:spec": {"f:containers": {}}}
    metadata = {
        "name": f"pod-{number}",
        "namespace": f"ns-{number % 50}",
        "uid": f"uid-{number}",
        "resourceVersion": str(number + 1),
        "creationTimestamp": "2026-11-28T07:00:00Z",
        "annotations": {NETWORKS: json.dumps([{"name": "one", "mac": mac} for mac in macs])},
        "managedFields": [{"manager": "kubectl", "operation": "Update", "fieldsV1": fields}] * 2,
    }
    return json.dumps({"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}).encode()


def _seconds(work: Callable[[], object]) -> float:
    """What something takes by itself: what counts covered lines would triple it."""
    tracing = sys.gettrace()
    sys.settrace(None)
    try:
        began = time.process_time()
        work()
        return time.process_time() - began
    finally:
        sys.settrace(tracing)


def test_20000_pods_are_taken_in_and_shown_in_little_more_time_than_their_json_is_read(
    capsys: pytest.CaptureFixture[str],
) -> None:
    raws = [_pod(number) for number in range(PODS)]
    found = Survey(Desk(pool_of(SHIPPED, [])))

    def take_in() -> None:
        for raw in raws:
            take_in_one(found, "Pod", raw)

    ours = _seconds(take_in) + _seconds(lambda: show(answer_of(items_of(found, None), ""), "table"))
    assert len(capsys.readouterr().out.splitlines()) == 1 + 2 * PODS
    assert ours < 3 * _seconds(lambda: [json.loads(raw) for raw in raws])
