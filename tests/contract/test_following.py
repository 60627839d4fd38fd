"""What a watch promises, on the real API server in fair weather."""

import json

import msgspec
from tests.contract.following import decode_any, following
from tests.contract.objects import config_map, create, create_many, delete, pod

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reads import CollectionRead
from kubemacpool.kube.reflector import Pacing
from kubemacpool.kube.resource import Resource
from kubemacpool.wire.listing import read_head
from kubemacpool.wire.objects import Decoded, UnreadableObjectError

CONFIG_MAPS = "/api/v1/configmaps"


async def test_a_list_longer_than_a_page_is_told_whole_and_without_contents(api: ApiClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    await create_many(api, path, (config_map(f"c{index}", {"some": "content"}) for index in range(1100)))
    async with following(api, Resource(CONFIG_MAPS, namespace, metadata_only=True)) as view:
        assert {f"c{index}" for index in range(1100)} <= view.there.keys()
        pages = view.transport.lists
        assert [page["limit"] for page in pages] == ["500"] * 3
        assert ["continue" in page for page in pages] == [False, True, True]
        assert all("content" not in json.loads(raw).get("data", {}) for raw in view.there.values())
        assert b"PartialObjectMetadata" not in view.there["c0"] or b'"data"' not in view.there["c0"]
        await create_many(api, path, [config_map("later", {"some": "content"})])
        await view.until(lambda: "later" in view.there)
        assert b'"data"' not in view.there["later"]


async def test_without_metadata_only_the_contents_come_along(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "configmaps", config_map("c", {"some": "content"}))
    async with following(api, Resource(CONFIG_MAPS, namespace)) as view:
        assert json.loads(view.there["c"])["data"] == {"some": "content"}


async def test_a_pod_that_completes_is_gone_for_a_view_of_running_pods(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "pods", pod("runs"), pod("succeeds"), pod("fails"))
    running = Resource("/api/v1/pods", namespace, "status.phase!=Succeeded,status.phase!=Failed", metadata_only=True)
    async with following(api, running) as view:
        assert view.there.keys() == {"runs", "succeeds", "fails"}
        for name, phase in (("succeeds", "Succeeded"), ("fails", "Failed")):
            patch = json.dumps({"status": {"phase": phase}})
            control_plane.kubectl(
                *("-n", namespace, "patch", "pod", name, "--subresource=status", "--type=merge", "-p", patch)
            )
        await view.until(lambda: view.there.keys() == {"runs"})
        newest = await CollectionRead(api, running).newest_resource_version()
        assert view.reflector.resource_version <= newest
    async with following(api, running) as view:
        assert view.there.keys() == {"runs"}


async def test_an_object_that_the_decoder_refuses_is_named_and_passed_over(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    def decode(raw: bytes) -> Decoded[bytes]:
        identity, version = read_head(raw)
        annotations = json.loads(raw)["metadata"].get("annotations", {})
        try:
            networks = msgspec.json.decode(annotations.get("networks", "[]"), type=list[dict[str, str]])
        except msgspec.MsgspecError as error:
            raise UnreadableObjectError(identity, version or 0, str(error)) from error
        return Decoded(identity, version or 0, raw if networks else None)

    create(
        control_plane,
        namespace,
        "pods",
        pod("good", networks='[{"name":"n"}]'),
        pod("broken", networks='[{"name":7}]'),
        pod("plain"),
    )
    async with following(api, Resource("/api/v1/pods", namespace), decode=decode) as view:
        assert view.there.keys() == {"good"}
        assert view.reflector.size == 1
        assert view.faults == {"broken": "Expected `str`, got `int` - at `$[0][...]`"}
        create(control_plane, namespace, "pods", pod("also-broken", networks="["), pod("late", networks='[{"a":"b"}]'))
        await view.until(lambda: "late" in view.there)
        assert view.faults.keys() == {"broken", "also-broken"}
        delete(control_plane, namespace, "pods", "broken", "good")
        await view.until(lambda: view.there.keys() == {"late"})


async def test_a_custom_resource_is_followed_once_it_exists_whatever_shape_its_objects_have(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    """Before the definition is installed there is nothing to list; and no schema keeps its objects from any shape."""

    class Shape(msgspec.Struct):
        macs: list[str]

    class Thing(msgspec.Struct):
        spec: Shape

    def decode(raw: bytes) -> Decoded[bytes]:
        msgspec.json.decode(raw, type=Thing)
        return decode_any(raw)

    group = f"{namespace}.example.com"
    things = f"/apis/{group}/v1/namespaces/{namespace}/things"

    def thing(name: str, spec: object) -> bytes:
        content = {"apiVersion": f"{group}/v1", "kind": "Thing", "metadata": {"name": name}, "spec": spec}
        return json.dumps(content).encode()

    deep = thing("deep", {"macs": [], "more": 0}).replace(b"0", b'{"a":' * 2000 + b"1" + b"}" * 2000)
    async with following(api, Resource(f"/apis/{group}/v1/things"), decode=decode, listed=False) as view:
        await view.until(lambda: "404" in view.reflector.trouble)
        assert not view.reflector.listed
        control_plane.api.request("POST", "/apis/apiextensions.k8s.io/v1/customresourcedefinitions", _definition(group))
        await view.until(lambda: view.reflector.listed)
        assert view.reflector.trouble == ""
        await api.create(things, thing("good", {"macs": ["02:00:00:00:00:01"]}))
        await api.create(things, thing("odd", {"macs": {"one": 1}}))
        await api.create(things, thing("bare", None))
        await api.create(things, deep)
        await api.create(things, thing("last", {"macs": []}))
        await view.until(lambda: "last" in view.there)
        assert view.there.keys() == {"good", "last"}
        assert view.faults.keys() == {"odd", "bare", "deep"}
    async with following(api, Resource(f"/apis/{group}/v1/things"), decode=decode) as view:
        assert view.there.keys() == {"good", "last"}
        assert view.faults.keys() == {"odd", "bare", "deep"}


async def test_bookmarks_alone_move_the_view_on(api: ApiClient, control_plane: ControlPlane, namespace: str) -> None:
    """Nothing happens to what is followed; other objects move the cluster's resourceVersion.

    The API server sends a bookmark two seconds before a watch ends, so short watches make them come soon.
    """
    quotas = Resource("/api/v1/resourcequotas", namespace)
    async with following(api, quotas, pacing=Pacing(watch_seconds=(5, 5))) as view:
        start = view.reflector.resource_version
        create(control_plane, namespace, "configmaps", *(config_map(f"c{index}") for index in range(5)))
        newest = await CollectionRead(api, quotas).newest_resource_version()
        assert newest >= start + 5
        await view.until(lambda: view.reflector.resource_version >= newest)
        assert view.steps == []
        assert len(view.transport.lists) == 1


async def test_within_a_long_watch_a_bookmark_comes_about_each_minute(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    """The read-idle time-out and the proof that a watch has come far enough both rest on this."""
    quotas = Resource("/api/v1/resourcequotas", namespace)
    async with following(api, quotas) as view:
        create(control_plane, namespace, "configmaps", config_map("c"))
        newest = await CollectionRead(api, quotas).newest_resource_version()
        await view.until(lambda: view.reflector.resource_version >= newest, seconds=75)
        assert len(view.transport.lists) == 1


def _definition(group: str) -> dict[str, object]:
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"plural": "things", "singular": "thing", "kind": "Thing", "listKind": "ThingList"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"things.{group}"},
        "spec": {"group": group, "scope": "Namespaced", "names": names, "versions": [version]},
    }
