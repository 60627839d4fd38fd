"""What the API server serves, asked of discovery and of a collection itself."""

import pytest
from tests.support.scripted import Answer, ScriptedTransport

from kubemacpool.kube.reads import GroupDiscovery
from kubemacpool.ports import ClusterUnavailableError, NotFoundError

GROUP = b'{"preferredVersion":{"version":"v2"}}'
RESOURCES = b'{"resources":[{"name":"machines"},{"name":"machines/status"}]}'
MACHINES = "/apis/example.org/v2/machines"


async def test_resources_are_told_by_their_path_in_the_preferred_version() -> None:
    transport = ScriptedTransport([Answer(GROUP), Answer(RESOURCES)])
    assert await GroupDiscovery(transport, "example.org").resources() == {"machines": MACHINES}
    assert [request.path for request in transport.requests] == ["/apis/example.org", "/apis/example.org/v2"]


@pytest.mark.parametrize("steps", [[NotFoundError("no")], [Answer(GROUP), NotFoundError("no")]])
async def test_a_group_that_is_not_there_has_no_resources(steps: list[Answer | Exception]) -> None:
    assert await GroupDiscovery(ScriptedTransport(steps), "example.org").resources() == {}


async def test_an_answer_of_another_kind_is_none() -> None:
    with pytest.raises(ClusterUnavailableError, match=r"GET /apis/example\.org: not an APIGroup"):
        await GroupDiscovery(ScriptedTransport([Answer(b"<html>")]), "example.org").resources()


async def test_a_collection_is_there_if_a_list_of_it_is_answered() -> None:
    transport = ScriptedTransport([Answer(b"{}"), NotFoundError("no"), ClusterUnavailableError("later")])
    discovery = GroupDiscovery(transport, "example.org")
    assert [await discovery.serves(MACHINES), await discovery.serves(MACHINES)] == [True, False]
    with pytest.raises(ClusterUnavailableError, match=r"^later$"):
        await discovery.serves(MACHINES)
    assert {(request.path, request.params["limit"]) for request in transport.requests} == {(MACHINES, "1")}
