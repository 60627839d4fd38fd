"""What the API server says no to, and how that is sorted, on the real one."""

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from tests.contract.conftest import MonotonicClock
from tests.contract.following import following
from tests.contract.objects import config_map, create, delete, pod_template, service_account
from tests.support.cutter import Cutter

from devcluster.controlplane import ControlPlane
from kubemacpool.kube.client import ApiClient, user_agent
from kubemacpool.kube.kubeconfig import ClusterConfig, load_kubeconfig
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.tokens import FixedToken
from kubemacpool.kube.transport import JSON
from kubemacpool.ports import ClusterUnavailableError, ConflictError, NotFoundError, RefusedError, ResourceExpiredError

Connect = Callable[[ClusterConfig], ApiClient]


async def test_what_is_not_there_is_not_found(api: ApiClient, namespace: str) -> None:
    with pytest.raises(NotFoundError, match='configmaps "none" not found'):
        await api.get(f"/api/v1/namespaces/{namespace}/configmaps/none")
    with pytest.raises(NotFoundError):
        await api.get("/apis/none.example.com/v1/nones")


async def test_a_stale_update_is_a_conflict(api: ApiClient, namespace: str) -> None:
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    stored = await api.create(path, json.dumps(config_map("c")).encode())
    await api.update(f"{path}/c", stored.replace(b'"name":"c"', b'"name":"c","labels":{"a":"b"}'))
    with pytest.raises(ConflictError, match="the object has been modified"):
        await api.update(f"{path}/c", stored)


async def test_a_wrong_object_is_refused_with_the_reason(api: ApiClient, namespace: str) -> None:
    wrong = json.dumps(config_map("UPPER")).encode()
    with pytest.raises(RefusedError, match=r"422 Invalid: .*UPPER"):
        await api.create(f"/api/v1/namespaces/{namespace}/configmaps", wrong)
    with pytest.raises(RefusedError, match="400 BadRequest"):
        await api.create(f"/api/v1/namespaces/{namespace}/configmaps", b"{")
    with pytest.raises(RefusedError, match="406 NotAcceptable"):
        await api.get("/api/v1/namespaces", accept="text/nothing")


async def test_a_page_of_history_that_was_compacted_away_has_expired(
    api: ApiClient, control_plane: ControlPlane, namespace: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/podtemplates"
    create(control_plane, namespace, "podtemplates", *(pod_template(f"p{index}") for index in range(3)))
    token = json.loads(await api.get(path, {"limit": "1"}))["metadata"]["continue"]
    delete(control_plane, namespace, "podtemplates", "p0")
    control_plane.etcd_compact()
    with pytest.raises(ResourceExpiredError, match="410 Expired"):
        await api.get(path, {"limit": "1", "continue": token})


async def test_a_stream_that_is_refused_says_why_as_a_request_does(api: ApiClient) -> None:
    with pytest.raises(NotFoundError, match=r"GET /apis/none/v1/nones \(stream\): 404"):
        await api.stream("/apis/none/v1/nones", {}, _not_told, accept=JSON, idle_seconds=5, total_seconds=5)


def _not_told(piece: bytes) -> None:
    pytest.fail(f"a refusal was told as {piece!r}")


async def test_an_api_server_that_cannot_be_reached_is_unavailable(
    fragile_api: ApiClient, cutter: Cutter, admin: ClusterConfig, connect: Connect
) -> None:
    await cutter.cut()
    with pytest.raises(ClusterUnavailableError, match="GET /version: "):
        await fragile_api.get("/version")
    async with connect(replace(admin, server="https://127.0.0.1:1")) as client:
        with pytest.raises(ClusterUnavailableError, match=r"GET /version: .*127\.0\.0\.1:1"):
            await client.get("/version")


async def test_a_server_that_another_authority_vouches_for_is_not_spoken_to(
    admin: ClusterConfig, connect: Connect, authority_pem: bytes
) -> None:
    async with connect(replace(admin, ca_pem=authority_pem)) as client:
        with pytest.raises(ClusterUnavailableError, match="CERTIFICATE_VERIFY_FAILED"):
            await client.get("/version")
    async with connect(replace(admin, server_name="another.example.com")) as client:
        with pytest.raises(ClusterUnavailableError, match="Hostname mismatch"):
            await client.get("/version")
    async with connect(replace(admin, ca_pem=None, verify=False)) as client:
        assert await client.get("/version")
    async with connect(replace(admin, server_name="kubernetes.default.svc")) as client:
        assert await client.get("/version")


async def test_a_token_that_is_not_accepted_is_read_anew_for_the_next_request(
    control_plane: ControlPlane, namespace: str, connect: Connect, tmp_path: Path
) -> None:
    create(control_plane, namespace, "serviceaccounts", service_account("sa"))
    path = control_plane.service_account_kubeconfig(namespace, "sa", tmp_path / "kubeconfig")
    token_file = tmp_path / "kubeconfig.token"
    good = token_file.read_text()
    token_file.write_text("not-a-token")
    async with connect(load_kubeconfig(path, MonotonicClock())) as client:
        with pytest.raises(RefusedError, match="401 Unauthorized") as refusal:
            await client.get("/api")
        assert "not-a-token" not in str(refusal.value)
        token_file.write_text(good)
        assert await client.get("/api")


async def test_a_view_without_rights_waits_for_them_and_says_so(
    control_plane: ControlPlane, namespace: str, connect: Connect, tmp_path: Path
) -> None:
    """The role may be applied after the Deployment."""
    create(control_plane, namespace, "serviceaccounts", service_account("sa"))
    path = control_plane.service_account_kubeconfig(namespace, "sa", tmp_path / "kubeconfig")
    config = load_kubeconfig(path, MonotonicClock())
    async with (
        connect(config) as client,
        following(client, Resource("/api/v1/configmaps", namespace), listed=False) as view,
    ):
        await view.until(lambda: view.reflector.trouble)
        assert "403 Forbidden: configmaps is forbidden" in view.reflector.trouble
        assert f"system:serviceaccount:{namespace}:sa" in view.reflector.trouble
        control_plane.kubectl(
            "-n", namespace, "create", "rolebinding", "sa", "--clusterrole=view", f"--serviceaccount={namespace}:sa"
        )
        await view.until(lambda: view.reflector.listed)
        assert view.reflector.trouble == ""


async def test_who_we_are_is_told_by_the_user_agent(admin: ClusterConfig, connect: Connect, namespace: str) -> None:
    """The API server notes who wrote a field: by default the part of the user agent before the slash."""
    async with connect(admin) as client:
        stored = await client.create(
            f"/api/v1/namespaces/{namespace}/configmaps", json.dumps(config_map("c", {"a": "b"})).encode()
        )
    assert [entry["manager"] for entry in json.loads(stored)["metadata"]["managedFields"]] == ["kubemacpool"]
    assert user_agent().startswith("kubemacpool/")


async def test_a_wrong_bearer_token_is_refused(admin: ClusterConfig, connect: Connect) -> None:
    async with connect(replace(admin, identity=None, token=FixedToken("wrong"))) as client:
        with pytest.raises(RefusedError, match="401 Unauthorized"):
            await client.get("/api/v1/namespaces")
