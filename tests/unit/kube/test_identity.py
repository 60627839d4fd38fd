import pytest
from aiohttp import web
from tests.unit.kube.test_client import served

from kubemacpool.kube.reads import read_cluster_uid
from kubemacpool.ports import ClusterUnavailableError


async def test_the_clusters_uid_is_that_of_kube_system() -> None:
    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        assert request.path == "/api/v1/namespaces/kube-system"
        return web.Response(body=b'{"kind":"Namespace","metadata":{"name":"kube-system","uid":"u-1"}}')

    async with served(handler) as client:
        assert await read_cluster_uid(client) == "u-1"


@pytest.mark.parametrize("body", [b"", b"{}", b'{"metadata":{}}', b"<html>"])
async def test_an_answer_without_a_uid_is_no_answer(body: bytes) -> None:
    async def handler(_: web.BaseRequest) -> web.StreamResponse:
        return web.Response(body=body)

    async with served(handler) as client:
        with pytest.raises(ClusterUnavailableError, match=r"the answer has no metadata\.uid"):
            await read_cluster_uid(client)
