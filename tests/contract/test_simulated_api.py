"""The simulated API server does what the real one does, as far as `tests/sim` rests on it.

Each scenario is played on both; what is seen has to be the same.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

import msgspec
import pytest
from tests.contract.objects import pod_template
from tests.contract.subjects import Real, Simulated, Subject, a_pod, allowed, denied, version_of
from tests.sim.store import Object

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import GroupDiscovery
from kubemacpool.kube.transport import METADATA_OF_LIST, METADATA_OF_OBJECT
from kubemacpool.ports import OutsideError
from kubemacpool.wire.lease import LEASE_NAME, new_lease
from kubemacpool.wire.listing import read_page
from kubemacpool.wire.review import Answer, in_words

RUNNING: Final = "status.phase!=Succeeded,status.phase!=Failed"
YES: Final = Answer(200, allowed())
MOST_TIMES: Final = 11
"""So often a webhook is asked about one pod at most."""

Seen = list[object]
Scenario = Callable[[Subject], Awaitable[Seen]]


async def a_write_holds_only_for_the_version_that_was_read(subject: Subject) -> Seen:
    """As every write of the Lease rests on it."""
    created = await subject.create("leases", msgspec.json.decode(new_lease(subject.namespace)))
    seen: Seen = [await _failure(subject.create("leases", msgspec.json.decode(new_lease(subject.namespace))))]

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
    start = await _newest(subject)
    for name in ("goes", "ends", "stays"):
        await subject.create("pods", a_pod(name))
    await subject.patch("pods", "ends/status", {"status": {"phase": "Succeeded"}})
    await subject.patch("pods", "stays", {"metadata": {"annotations": {"more": "yes"}}})
    await subject.delete("pods", "goes")
    await subject.delete("pods", "ends")
    await subject.create("pods", a_pod("last"))
    end = await subject.touch()
    seen: Seen = []
    versions = [start]
    async with _watch(subject, start, fieldSelector=RUNNING) as events:
        async for kind, content in events:
            versions.append(version_of(content))
            seen.append((kind, content["metadata"]["name"], content["kind"], "spec" in content))
            if content["metadata"]["name"] == "last":
                break
    return [*seen, versions == sorted(set(versions)), versions[-1] < end]


async def a_watch_goes_on_with_what_happens_later(subject: Subject) -> Seen:
    """Before it ends, a bookmark says how far it has come: no less than what it has told of.

    An API server that has just started sends none for some seconds (up to 20 were seen with 1.37).
    """
    rest: list[tuple[str, int]] = []
    seen: Seen = []
    while not rest:
        start = await _newest(subject)
        async with _watch(subject, start, timeoutSeconds="3", allowWatchBookmarks="true") as events:
            created = await subject.create("pods", a_pod("later"))
            kind, content = await anext(events)
            seen = [kind, content["metadata"]["name"], version_of(content) == version_of(created)]
            rest = [(kind, version_of(content)) async for kind, content in events]
        seen += [{kind for kind, _ in rest}, rest == sorted(rest)]
        if rest:
            seen += [version_of(created) <= rest[0][1], rest[-1][1] < await subject.touch()]
        await subject.delete("pods", "later")
    return seen


async def a_watch_says_nothing_of_how_far_it_is_unless_asked(subject: Subject) -> Seen:
    """No bookmark without `allowWatchBookmarks`."""
    async with _watch(subject, await _newest(subject), timeoutSeconds="3") as events:
        await subject.create("pods", a_pod("later"))
        return [kind async for kind, _ in events]


async def what_is_forgotten_has_expired(subject: Subject) -> Seen:
    """A watch says so in an event and ends, the next page of a list is refused; what is asked for anew comes."""
    path = subject.path("podtemplates")
    for number in range(3):
        await subject.create("podtemplates", pod_template(f"template-{number}"))
    page = read_page(await subject.client.get(path, {"limit": "1"}))
    await subject.delete("podtemplates", "template-1")
    await subject.touch()
    await subject.forget_history()
    seen: Seen = [await _failure(subject.client.get(path, {"limit": "1", "continue": page.continue_token}))]
    async with _watch(subject, page.resource_version, "podtemplates") as events:
        seen += [(kind, content["kind"], content["code"], content["reason"]) async for kind, content in events]
    page = read_page(await subject.client.get(path, {}))
    async with _watch(subject, page.resource_version, "podtemplates") as events:
        await subject.create("podtemplates", pod_template("template-3"))
        kind, content = await anext(events)
    return [*seen, _names(page.items), kind, content["metadata"]["name"]]


async def an_object_that_follows_another_has_a_uid_of_its_own(subject: Subject) -> Seen:
    """One of a name at a time."""
    first = await subject.create("pods", a_pod("pod"))
    seen: Seen = [await _failure(subject.create("pods", a_pod("pod")))]
    await subject.delete("pods", "pod")
    seen.append(await _failure(subject.client.get(subject.path("pods", "pod"))))
    second = await subject.create("pods", a_pod("pod"))
    return [*seen, first["metadata"]["uid"] != second["metadata"]["uid"], version_of(second) > version_of(first)]


async def what_is_served_is_told(subject: Subject) -> Seen:
    """By group, as kinds that may come and go are looked for; what is not there is said not to be."""
    path = "/apis/coordination.k8s.io/v1/leases"
    there = GroupDiscovery(subject.client, "coordination.k8s.io")
    seen: Seen = [(await there.resources())["leases"], await there.serves(path), await there.serves(f"{path}s")]
    missing = GroupDiscovery(subject.client, "nobody.example.com")
    return [*seen, await missing.resources(), await missing.serves("/apis/nobody.example.com/v1/things")]


async def a_webhook_changes_an_item_of_a_list(subject: Subject) -> Seen:
    """As the addresses of a machine's interfaces are added."""
    patch = [{"op": "replace", "path": "/spec/containers/0/image", "value": "patched"}]
    async with subject.webhook(Answer(200, allowed(patch))):
        stored = await subject.create("pods", a_pod("pod", **{"example.com/some": "value"}))
    return [each["image"] for each in stored["spec"]["containers"]]


async def a_webhook_is_asked_again_after_a_503(subject: Subject) -> Seen:
    """Within the same admission: the request's uid stays. What it patches is stored."""
    patch = [{"op": "replace", "path": "/metadata/annotations/example.com~1some", "value": "patched"}]
    script = (in_words(503, "later"), in_words(503, "later"), Answer(200, allowed(patch)))
    async with subject.webhook(*script):
        stored = await subject.create("pods", a_pod("pod", **{"example.com/some": "value"}))
    annotations = stored["metadata"]["annotations"]
    return [*_asked(subject), annotations["example.com/some"], _described(subject.reviews[0])]


async def a_webhook_is_asked_so_often_at_most(subject: Subject) -> Seen:
    """Though there is time left."""
    again = in_words(503, "later")._replace(retry_after=0)
    async with subject.webhook(*[again] * MOST_TIMES, YES):
        refused = await _failure(subject.create("pods", a_pod("pod")), "failed calling webhook")
    return [refused, *_asked(subject), await _none_is_there(subject)]


async def a_webhook_is_asked_again_until_its_time_is_up(subject: Subject) -> Seen:
    """For all times together: here 3 s, so that a third time would be too late."""
    again = in_words(503, "later")._replace(retry_after=2)
    async with subject.webhook(again, again, YES, seconds=3):
        refused = await _failure(subject.create("pods", a_pod("pod")), "failed calling webhook", "deadline exceeded")
    return [refused, *_asked(subject), await _none_is_there(subject)]


async def a_pod_without_a_name_gets_one_after_the_webhook(subject: Subject) -> Seen:
    """The webhook knows the prefix only."""
    async with subject.webhook(YES, YES):
        stored = await subject.create("pods", a_pod(prefix="web-"))
        await subject.dry_run(a_pod("dry"))
    name = stored["metadata"]["name"]
    there = _names(read_page(await subject.client.get(subject.path("pods"), {})).items)
    return [name[:4], len(name), there == [name], *map(_described, subject.reviews)]


async def what_a_webhook_refuses_is_not_stored(subject: Subject) -> Seen:
    """The client sees its code and its words."""
    async with subject.webhook(Answer(200, denied(409, "in use by somebody"))):
        refused = await _failure(subject.create("pods", a_pod("pod")), "in use by somebody")
    return [refused, *_asked(subject), await _none_is_there(subject)]


async def a_webhook_that_breaks_the_connection_is_asked_once(subject: Subject) -> Seen:
    """And the pod is refused."""
    async with subject.webhook(None, YES):
        refused = await _failure(subject.create("pods", a_pod("pod")), "failed calling webhook")
    return [refused, *_asked(subject), await _none_is_there(subject)]


async def a_webhook_is_asked_about_a_name_that_is_taken(subject: Subject) -> Seen:
    """Storage comes last, so what was allocated is not used."""
    await subject.create("pods", a_pod("pod"))
    async with subject.webhook(YES):
        refused = await _failure(subject.create("pods", a_pod("pod")))
    return [refused, *_asked(subject)]


async def what_is_dropped_after_the_webhook_leaves_nothing(subject: Subject) -> Seen:
    """No object, and no event of a watch."""
    await subject.create("pods", a_pod("before"))
    await subject.forbid_pods()
    start = await _newest(subject)
    async with subject.webhook(YES):
        refused = await _failure(subject.create("pods", a_pod("pod")), "exceeded quota")
    await subject.delete("pods", "before")
    async with _watch(subject, start) as events:
        told = [(await anext(events))[1]["metadata"]["name"] for _ in range(2)]
    return [refused, *_asked(subject), await _none_is_there(subject), told]


SCENARIOS: Final = (
    a_write_holds_only_for_the_version_that_was_read,
    all_kinds_share_one_growing_version,
    a_list_shows_one_moment_page_by_page,
    a_watch_tells_of_every_change_after_its_version,
    a_watch_goes_on_with_what_happens_later,
    a_watch_says_nothing_of_how_far_it_is_unless_asked,
    what_is_forgotten_has_expired,
    an_object_that_follows_another_has_a_uid_of_its_own,
    what_is_served_is_told,
    a_webhook_changes_an_item_of_a_list,
    a_webhook_is_asked_again_after_a_503,
    a_webhook_is_asked_so_often_at_most,
    a_webhook_is_asked_again_until_its_time_is_up,
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


async def _failure(attempt: Awaitable[object], *words: str) -> Seen:
    """What an attempt fails with: the kind of error, its code and reason, and which of the words are in its text."""
    with pytest.raises(OutsideError) as caught:
        await attempt
    _, code_and_reason, text = str(caught.value).split(": ", 2)
    return [type(caught.value).__name__, code_and_reason, *(word for word in words if word in text)]


def _asked(subject: Subject) -> Seen:
    """How often the webhook was asked, in how many requests."""
    return [len(subject.reviews), len({review["uid"] for review in subject.reviews})]


async def _newest(subject: Subject) -> int:
    """The resourceVersion of a list of the pods."""
    return read_page(await subject.client.get(subject.path("pods"), {})).resource_version


async def _none_is_there(subject: Subject) -> bool:
    return not read_page(await subject.client.get(subject.path("pods"), {})).items


@contextlib.asynccontextmanager
async def _watch(
    subject: Subject, since: int, plural: str = "pods", **params: str
) -> AsyncIterator[AsyncIterator[tuple[str, Object]]]:
    """The events of a watch."""
    query = {"watch": "1", "resourceVersion": str(since), "timeoutSeconds": "10", **params}
    pieces: asyncio.Queue[bytes] = asyncio.Queue()
    stream = subject.client.stream(
        subject.path(plural),
        query,
        pieces.put_nowait,
        accept=METADATA_OF_OBJECT,
        idle_seconds=20.0,
        total_seconds=20.0,
    )
    watch = asyncio.create_task(stream)
    try:
        yield _events(pieces, watch)
    finally:
        watch.cancel()
        await asyncio.gather(watch, return_exceptions=True)


async def _events(pieces: asyncio.Queue[bytes], watch: asyncio.Task[None]) -> AsyncIterator[tuple[str, Object]]:
    """The events, until the watch ends; raises what it ends with."""
    rest = b""
    watch.add_done_callback(lambda _: pieces.put_nowait(b""))
    while piece := await pieces.get():
        *lines, rest = (rest + piece).split(b"\n")
        for line in lines:
            event = msgspec.json.decode(line)
            yield event["type"], event["object"]
    await watch


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
