"""What a watch promises, on the real API server when connections break, history is lost and the API server restarts."""

import asyncio

from structlog.testing import capture_logs
from tests.contract.following import decode_any, following
from tests.contract.objects import config_map, create, delete, pod_template
from tests.support.cutter import Cutter

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.reflector import Pacing
from kubemacpool.kube.resource import Resource
from kubemacpool.wire.objects import Decoded

CONFIG_MAPS = "/api/v1/configmaps"
POD_TEMPLATES = "/api/v1/podtemplates"
LOST = "history was lost, listing afresh"


async def test_history_lost_by_compaction_is_made_good_and_the_deletes_in_it_are_told(
    fragile_api: ApiClient, cutter: Cutter, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "podtemplates", *map(pod_template, ("stays", "goes", "returns")))
    async with following(fragile_api, Resource(POD_TEMPLATES, namespace)) as view:
        assert view.there.keys() == {"stays", "goes", "returns"}
        view.steps.clear()
        with capture_logs() as logs:
            await cutter.cut()
            delete(control_plane, namespace, "podtemplates", "goes", "returns")
            create(control_plane, namespace, "podtemplates", pod_template("comes"), pod_template("returns"))
            control_plane.etcd_compact()
            cutter.mend()
            await view.until(lambda: view.there.keys() == {"stays", "returns", "comes"})
        assert [entry["error"] for entry in logs if entry["event"] == LOST] != []
        assert "410" in next(entry["error"] for entry in logs if entry["event"] == LOST)
        assert sorted(view.steps) == ["gone goes", "gone returns", "present comes", "present returns", "present stays"]
        assert view.steps.index("gone returns") < view.steps.index("present returns")
        assert len(view.transport.lists) == 2
        create(control_plane, namespace, "podtemplates", pod_template("after"))
        await view.until(lambda: "after" in view.there)


async def test_a_list_whose_next_page_was_compacted_away_is_begun_afresh(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "podtemplates", *(pod_template(f"p{index}") for index in range(5)))
    disturbed = False

    def decode(raw: bytes) -> Decoded[bytes]:
        nonlocal disturbed
        if not disturbed:
            disturbed = True
            delete(control_plane, namespace, "podtemplates", "p0")
            control_plane.etcd_compact()
        return decode_any(raw)

    resource = Resource(POD_TEMPLATES, namespace)
    with capture_logs() as logs:
        async with following(api, resource, decode=decode, pacing=Pacing(page_limit=2)) as view:
            assert view.there.keys() == {"p1", "p2", "p3", "p4"}
            assert view.steps.count("gone p0") == 1
    assert [("410" in entry["error"]) for entry in logs if entry["event"] == LOST] == [True]


async def test_a_connection_cut_in_the_middle_of_a_line_loses_nothing(
    fragile_api: ApiClient, cutter: Cutter, control_plane: ControlPlane, namespace: str
) -> None:
    """A line of 200 KB comes in many TLS records; those that came whole before the cut are half a line."""
    async with following(fragile_api, Resource(CONFIG_MAPS, namespace)) as view:
        create(control_plane, namespace, "configmaps", config_map("before"))
        await view.until(lambda: "before" in view.there)
        with capture_logs() as logs:
            cutter.cut_after(100_000)
            create(control_plane, namespace, "configmaps", config_map("large", {"x": "y" * 200_000}))
            await view.until(lambda: "large" in view.there)
        (pending,) = [entry["pending_bytes"] for entry in logs if "pending_bytes" in entry]
        assert 16_000 < pending <= 100_000
        assert len(view.there["large"]) > 200_000
        assert view.steps.count("present large") == 1
        assert len(view.transport.lists) == 1


async def test_a_connection_that_hangs_is_given_up_and_the_watch_resumes_on_another(
    fragile_api: ApiClient, cutter: Cutter, control_plane: ControlPlane, namespace: str
) -> None:
    async with following(fragile_api, Resource(CONFIG_MAPS, namespace), pacing=Pacing(idle_seconds=1.0)) as view:
        create(control_plane, namespace, "configmaps", config_map("before"))
        await view.until(lambda: "before" in view.there)
        cutter.hang()
        create(control_plane, namespace, "configmaps", config_map("meanwhile"))
        await view.until(lambda: "meanwhile" in view.there)


async def test_a_restart_of_the_api_server_loses_nothing(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    """A restarted API server knows no history: whoever comes back is told to list afresh."""
    create(control_plane, namespace, "configmaps", config_map("stays"), config_map("goes"))
    async with following(api, Resource(CONFIG_MAPS, namespace)) as view:
        await asyncio.to_thread(control_plane.stop_apiserver)
        await view.until(lambda: view.reflector.trouble)
        assert view.reflector.listed
        await asyncio.to_thread(control_plane.start_apiserver)
        delete(control_plane, namespace, "configmaps", "goes")
        create(control_plane, namespace, "configmaps", config_map("comes"))
        await view.until(lambda: view.there.keys() >= {"stays", "comes"} and "goes" not in view.there)
        assert view.reflector.trouble == ""


async def test_deletes_while_the_api_server_was_restarted_out_of_sight_are_told(
    fragile_api: ApiClient, cutter: Cutter, control_plane: ControlPlane, namespace: str
) -> None:
    create(control_plane, namespace, "configmaps", config_map("stays"), config_map("goes"))
    async with following(fragile_api, Resource(CONFIG_MAPS, namespace)) as view:
        with capture_logs() as logs:
            await cutter.cut()
            delete(control_plane, namespace, "configmaps", "goes")
            control_plane.etcd_compact()
            await asyncio.to_thread(control_plane.stop_apiserver)
            await asyncio.to_thread(control_plane.start_apiserver)
            cutter.mend()
            await view.until(lambda: "goes" not in view.there)
        assert "410" in next(entry["error"] for entry in logs if entry["event"] == LOST)
        assert view.steps.count("gone goes") == 1
        assert "stays" in view.there
