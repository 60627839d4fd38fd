"""The leader's Lease, read and written over HTTP."""

import json
from collections.abc import Awaitable, Callable

import pytest
from aiohttp import web
from tests.unit.kube.test_client import served

from kubemacpool.kube.writes import ClusterLease, lease_resource
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError, OutsideError
from kubemacpool.wire.lease import LeaseRecord

COLLECTION = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases"
LEASE = f"{COLLECTION}/kubemacpool-leader"
FIRST = 0x02_00_00_00_00_01
RECORD = LeaseRecord("a", "a:8000", 4, 5, frozenset({FIRST, FIRST + 1}), {"Pod": 9}, FIRST, "17")
ANNOTATIONS = {
    "kubemacpool.io/format": "2",
    "kubemacpool.io/reserved": "02:00:00:00:00:01-02:00:00:00:00:02",
    "kubemacpool.io/observed": "Pod=9",
    "kubemacpool.io/last-allocated": "02:00:00:00:00:01",
    "kubemacpool.io/endpoint": "a:8000",
}
STORED = {
    "metadata": {
        "name": "kubemacpool-leader",
        "namespace": "kubemacpool-system",
        "uid": "u1",
        "resourceVersion": "18",
        "annotations": ANNOTATIONS,
    },
    "spec": {"holderIdentity": "a", "leaseDurationSeconds": 5, "leaseTransitions": 4},
}

Asking = Callable[[ClusterLease], Awaitable[LeaseRecord]]
ASKING: dict[str, Asking] = {
    "read": lambda lease: lease.read(),
    "create": lambda lease: lease.create(),
    "update": lambda lease: lease.update(RECORD),
}


async def _ask(asking: Asking, body: bytes, status: int = 200) -> tuple[LeaseRecord, web.BaseRequest, bytes]:
    """What is given for an answer, and the request."""
    seen: list[tuple[web.BaseRequest, bytes]] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append((request, await request.read()))
        return web.Response(status=status, body=body, content_type="application/json")

    async with served(handler) as client:
        record = await asking(ClusterLease(client, "kubemacpool-system"))
    ((request, sent),) = seen
    return record, request, sent


async def test_it_is_read_past_every_cache() -> None:
    record, request, _ = await _ask(ASKING["read"], json.dumps(STORED).encode())
    assert record == RECORD._replace(resource_version="18")
    assert (request.method, request.path, dict(request.query)) == ("GET", LEASE, {})


async def test_a_new_one_is_held_by_nobody() -> None:
    _, request, sent = await _ask(ASKING["create"], json.dumps(STORED).encode())
    assert (request.method, request.path) == ("POST", COLLECTION)
    created = json.loads(sent)
    assert created["metadata"] == {"name": "kubemacpool-leader", "namespace": "kubemacpool-system"}
    assert "spec" not in created


async def test_an_update_holds_only_for_the_state_that_was_read() -> None:
    record, request, sent = await _ask(ASKING["update"], json.dumps(STORED).encode())
    assert record.resource_version == "18", "as it was stored"
    assert (request.method, request.path) == ("PATCH", LEASE)
    assert request.headers["Content-Type"] == "application/merge-patch+json"
    patch = json.loads(sent)
    assert patch["metadata"]["resourceVersion"] == "17"
    assert patch["metadata"]["annotations"] == ANNOTATIONS
    assert "acquireTime" not in patch["spec"]
    assert patch["spec"].pop("renewTime").endswith("Z")
    assert patch["spec"] == STORED["spec"]


async def test_an_acquisition_tells_people_when_it_was() -> None:
    _, _, sent = await _ask(lambda lease: lease.update(RECORD, acquired=True), json.dumps(STORED).encode())
    spec = json.loads(sent)["spec"]
    assert spec["acquireTime"] == spec["renewTime"]


@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)
@pytest.mark.parametrize("body", [b"", b"{}", b"<html>", b"[" * 10_000, b'{"metadata":{"name":5}}'])
async def test_an_answer_that_is_no_lease_is_none(asking: Asking, body: bytes) -> None:
    """The write may have been made: it counts as one whose answer was lost."""
    with pytest.raises(ClusterUnavailableError, match="not a Lease"):
        await _ask(asking, body)


@pytest.mark.parametrize(
    ("status", "error"), [(409, ConflictError), (404, NotFoundError), (503, ClusterUnavailableError)]
)
@pytest.mark.parametrize("asking", ASKING.values(), ids=ASKING)
async def test_what_goes_wrong_is_told_by_what_to_do_next(
    asking: Asking, status: int, error: type[OutsideError]
) -> None:
    with pytest.raises(error):
        await _ask(asking, b"{}", status)


def test_the_watch_is_on_the_one_lease_and_whole() -> None:
    resource = lease_resource("kubemacpool-system")
    assert resource.collection == COLLECTION
    assert resource.selectors == {"fieldSelector": "metadata.name=kubemacpool-leader"}
    assert "PartialObjectMetadata" not in resource.watch_accept
