"""The simulated API server does what the real one does, as far as `tests/sim` rests on it.

Each scenario is played on both; what is seen has to be the same.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec
import pytest
from tests.contract.subjects import Real, Simulated, Subject, a_pod, allowed, denied, version_of
from tests.sim.store import Object

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import METADATA_OF_LIST, METADATA_OF_OBJECT
from kubemacpool.ports.errors import OutsideError
from kubemacpool.wire.answers import Answer, in_words
from kubemacpool.wire.lease import LEASE_NAME, new_lease
from kubemacpool.wire.listing import read_page

RUNNING: Final = "status.phase!=Succeeded,status.phase!=Failed"
YES: Final = Answer(200, allowed("to be replaced"))

Seen = list[object]
Scenario = Callable[[Subject], Awaitable[Seen]]


async def a_write_holds_only_for_the_version_that_was_read(subject: Subject) -> Seen:
    """As every write of the Lease rests on it."""
    created = await subject.create("leases", msgspec.json.decode(new_lease(subject.namespace)))
    seen = [await _failure(subject.create("leases", msgspec.json.decode(new_lease(subject.namespace))))]

    async def write(version: int, holder: str) -> Object:
        patch = {"metadata": {"resourceVersion": str(version)}, "spec": {"holderIdentity": holder}}
        return await subject.patch("leases", LEASE_NAME, patch)

    first = await write(version_of(created), "one")
    seen += [version_of(first) > version_of(created), first["spec"]["holderIdentity"]]
    seen += [await _failure(write(version_of(created), "other"))]
    second = await write(version_of(first), "two")
    same = await write(version_of(second), "two")
    seen += [version_of(second) > version_of(first), version_of(same) == version_of(second)]
    annotated = await subject.patch("leases", LEASE_NAME, {"metadata": {"annotations": {"a": "1", "b": "2"}}})
    less = await subject.patch("leases", LEASE_NAME, {"metadata": {"annotations": {"a": None}}})
    seen += [annotated["metadata"]["annotations"], less["metadata"]["annotations"], less["spec"]["holderIdentity"]]
    await subject.delete("leases", LEASE_NAME)
    return [*seen, await _failure(write(version_of(less), "three"))]


async def all_kinds_share_one_growing_version(subject: Subject) -> Seen:
    """So that a consistent read of one kind is past whatever was written to another before."""
    seen: Seen = []
    for _ in range(3):
        touched = await subject.touch()
        listed = read_page(await subject.client.get(subject.path("pods"), {"limit": "1"})).resource_version
        pod = version_of(await subject.create("pods", a_pod(f"pod-{len(seen)}")))
        seen.append(touched <= listed < pod)
    return seen


async def a_list_shows_one_moment_page_by_page(subject: Subject) -> Seen:
    """Also what was deleted before the next page is asked for."""
    for number in range(5):
        await subject.create("pods", a_pod(f"pod-{number}"))
    path, params = subject.path("pods"), {"limit": "2"}
    page = read_page(await subject.client.get(path, params, accept=METADATA_OF_LIST))
    seen: Seen = [_names(page.items), b'"spec"' in page.items[0]]
    await subject.create("pods", a_pod("pod-5"))
    await subject.delete("pods", "pod-3")
    version = page.resource_version
    while page.continue_token:
        page = read_page(await subject.client.get(path, {**params, "continue": page.continue_token}))
        seen += [_names(page.items), page.resource_version == version, b'"spec"' in page.items[0]]
    return seen


async def a_watch_tells_of_every_change_after_its_version(subject: Subject) -> Seen:
    """In order; what completes is told as deleted to whoever does not want to know of it."""
    await subject.create("pods", a_pod("early"))
    start = read_page(await subject.client.get(subject.path("pods"), {})).resource_version
    for name in ("goes", "ends", "stays"):
        await subject.create("pods", a_pod(name))
    await subject.patch("pods", "ends/status", {"status": {"phase": "Succeeded"}})
    await subject.patch("pods", "stays", {"metadata": {"annotations": {"more": "yes"}}})
    await subject.delete("pods", "goes")
    await subject.delete("pods", "ends")
    end = await subject.touch()
    seen: Seen = []
    versions = [start]
    async with _watch(subject, start, fieldSelector=RUNNING) as events:
        async for kind, content in events:
            if kind == "BOOKMARK" or len(seen) == 6:
                break
            versions.append(version_of(content))
            seen.append((kind, content["metadata"]["name"], content["kind"], "spec" in content))
    return [*seen, versions == sorted(set(versions)), versions[-1] < end]


async def a_watch_goes_on_with_what_happens_later(subject: Subject) -> Seen:
    """And its last bookmark is as far as the cluster, though nothing that is watched has changed; then it ends."""
    start = read_page(await subject.client.get(subject.path("pods"), {})).resource_version
    seen: Seen = []
    async with _watch(subject, start, timeoutSeconds="4", allowWatchBookmarks="true") as events:
        await subject.create("pods", a_pod("later"))
        kind, content = await anext(events)
        seen.append((kind, content["metadata"]["name"]))
        touched = await subject.touch()
        kind, content = await anext(events)
        seen += [kind, version_of(content) >= touched, [kind async for kind, _ in events]]
    return seen


async def a_version_that_is_too_old_has_expired(subject: Subject) -> Seen:
    """The watch says so in an event."""
    await subject.create("pods", a_pod("pod"))
    async with _watch(subject, 1) as events:
        kind, content = await anext(events)
        return [kind, content["code"], content["reason"]]


async def an_object_that_follows_another_has_a_uid_of_its_own(subject: Subject) -> Seen:
    """One of a name at a time."""
    first = await subject.create("pods", a_pod("pod"))
    seen: Seen = [await _failure(subject.create("pods", a_pod("pod")))]
    await subject.delete("pods", "pod")
    seen.append(await _failure(subject.client.get(subject.path("pods", "pod"))))
    second = await subject.create("pods", a_pod("pod"))
    return [*seen, first["metadata"]["uid"] != second["metadata"]["uid"], version_of(second) > version_of(first)]


async def a_webhook_is_asked_again_after_a_503(subject: Subject) -> Seen:
    """Within the same admission: the request's uid stays. What it patches is stored."""
    patch = [{"op": "replace", "path": "/metadata/annotations/example.com~1some", "value": "patched"}]
    script = (in_words(503, "later"), in_words(503, "later"), Answer(200, allowed("to be replaced", patch)))
    async with subject.webhook(*script):
        stored = await subject.create("pods", a_pod("pod", **{"example.com/some": "value"}))
    uids = {review["uid"] for review in subject.reviews}
    annotations = stored["metadata"]["annotations"]
    return [len(subject.reviews), len(uids), annotations["example.com/some"], _described(subject.reviews[0])]


async def a_pod_without_a_name_gets_one_after_the_webhook(subject: Subject) -> Seen:
    """The webhook knows the prefix only."""
    async with subject.webhook(YES, YES):
        stored = await subject.create("pods", a_pod(prefix="web-"))
        await subject.create("pods", a_pod("dry"), "?dryRun=All")
    name = stored["metadata"]["name"]
    there = _names(read_page(await subject.client.get(subject.path("pods"), {})).items)
    return [name[:4], len(name), there == [name], *map(_described, subject.reviews)]


async def what_a_webhook_refuses_is_not_stored(subject: Subject) -> Seen:
    """The client sees its code and its words."""
    async with subject.webhook(Answer(200, denied("to be replaced", 409, "in use by somebody"))):
        kind, text = await _failure(subject.create("pods", a_pod("pod")))
    return [kind, "in use by somebody" in text, await _none_is_there(subject)]


async def a_webhook_that_breaks_the_connection_is_asked_once(subject: Subject) -> Seen:
    """And the pod is refused."""
    async with subject.webhook(None, YES):
        kind, text = await _failure(subject.create("pods", a_pod("pod")))
    return [kind, "500 InternalError" in text, "failed calling webhook" in text, len(subject.reviews)]


async def a_webhook_is_asked_about_a_name_that_is_taken(subject: Subject) -> Seen:
    """Storage comes last, so what was granted is not used."""
    await subject.create("pods", a_pod("pod"))
    async with subject.webhook(YES):
        kind, text = await _failure(subject.create("pods", a_pod("pod")))
    return [kind, "already exists" in text, len(subject.reviews)]


async def what_is_dropped_after_the_webhook_leaves_nothing(subject: Subject) -> Seen:
    """No object, and no event of a watch."""
    await subject.forbid_pods()
    start = read_page(await subject.client.get(subject.path("pods"), {})).resource_version
    async with subject.webhook(YES):
        kind, text = await _failure(subject.create("pods", a_pod("pod")))
    seen: Seen = [kind, "exceeded quota" in text, len(subject.reviews), await _none_is_there(subject)]
    async with _watch(subject, start, timeoutSeconds="3", allowWatchBookmarks="true") as events:
        return [*seen, [kind async for kind, _ in events]]


SCENARIOS: Final = (
    a_write_holds_only_for_the_version_that_was_read,
    all_kinds_share_one_growing_version,
    a_list_shows_one_moment_page_by_page,
    a_watch_tells_of_every_change_after_its_version,
    a_watch_goes_on_with_what_happens_later,
    a_version_that_is_too_old_has_expired,
    an_object_that_follows_another_has_a_uid_of_its_own,
    a_webhook_is_asked_again_after_a_503,
    a_pod_without_a_name_gets_one_after_the_webhook,
    what_a_webhook_refuses_is_not_stored,
    a_webhook_that_breaks_the_connection_is_asked_once,
    a_webhook_is_asked_about_a_name_that_is_taken,
    what_is_dropped_after_the_webhook_leaves_nothing,
)


@pytest.mark.parametrize("scenario", SCENARIOS)
async def test_the_simulated_api_server_does_as_the_real_one(
    scenario: Scenario, control_plane: ControlPlane, api: ApiClient, namespace: str
) -> None:
    simulated, real = await asyncio.gather(scenario(Simulated()), scenario(Real(control_plane, api, namespace)))
    assert simulated == real


async def _failure(attempt: Awaitable[object]) -> tuple[str, str]:
    """What an attempt fails with: the kind of error, and the API server's words without the request before them."""
    with pytest.raises(OutsideError) as caught:
        await attempt
    return type(caught.value).__name__, str(caught.value).partition(": ")[2].partition(";")[0]


async def _none_is_there(subject: Subject) -> bool:
    return not read_page(await subject.client.get(subject.path("pods"), {})).items


@contextlib.asynccontextmanager
async def _watch(subject: Subject, since: int, **params: str) -> AsyncIterator[AsyncIterator[tuple[str, Object]]]:
    """The events of a watch on the pods."""
    query = {"watch": "1", "resourceVersion": str(since), "timeoutSeconds": "10", **params}
    stream = subject.client.stream(
        subject.path("pods"), query, accept=METADATA_OF_OBJECT, idle_seconds=20.0, total_seconds=20.0
    )
    async with stream as pieces:
        yield _events(pieces)


async def _events(pieces: AsyncIterator[bytes]) -> AsyncIterator[tuple[str, Object]]:
    rest = b""
    async for piece in pieces:
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            event = msgspec.json.decode(line)
            yield event["type"], event["object"]


def _names(items: list[bytes]) -> list[str]:
    return [msgspec.json.decode(item)["metadata"]["name"] for item in items]


def _described(review: Object) -> Seen:
    """What a webhook is told of a request."""
    pod = review["object"]
    metadata = pod["metadata"]
    return [
        review.get("name"),
        bool(review.get("namespace")),
        review["kind"],
        review["operation"],
        review["dryRun"],
        metadata.get("name"),
        metadata.get("generateName"),
        "uid" in metadata,
        "resourceVersion" in metadata,
    ]
