"""With `--hide-foreign-holders` nobody learns who it is in another namespace that has an address.

An installation of its own, since the flag is that of its processes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import pod
from tests.support.installed import ENVIRONMENT, Installed, eventually, installation
from tests.support.telling import until_told

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient, Reply

pytestmark = pytest.mark.usefixtures("survivors")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation that keeps names of other namespaces to itself."""
    environment = {**ENVIRONMENT, "KUBEMACPOOL_HIDE_FOREIGN_HOLDERS": "true"}
    with installation(tmp_path_factory.mktemp("hidden-holders"), nodes=1, environment=environment) as installed:
        yield installed


def _networks(mac: str) -> str:
    return f'[{{"name":"net","mac":"{mac}"}}]'


async def test_a_refusal_names_a_holder_of_the_same_namespace_and_no_other(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, block: Block, installed: Installed
) -> None:
    """Who asks for an address is told that it is taken, and by whom only where that is a neighbour."""
    others = await elsewhere("secret")
    await cluster.made(others, pod("classified", _networks(block[1])))
    await cluster.made(namespace, pod("neighbour", _networks(block[2])))
    foreign = await cluster.judged(namespace, pod("asking", _networks(block[1])))
    assert "is in use by an object of another namespace" in foreign.message
    assert "classified" not in foreign.message
    assert others not in foreign.message
    own = await cluster.judged(namespace, pod("asking", _networks(block[2])))
    assert f"is in use by Pod {namespace}/neighbour" in own.message
    said = [line for line in installed.log(event="refused") if line.get("object") == f"Pod {namespace}/asking"]
    assert f"Pod {others}/classified" in str(said[0]["holders"])  # administrators are told


async def test_warnings_and_events_do_not_name_it_either(
    cluster: ClusterClient, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    """What the policy `warn` lets through is told as a collision with somebody."""
    others = await elsewhere("secret")
    annotation = {"metadata": {"annotations": {"kubemacpool.io/conflict-policy": "warn"}}}
    await cluster.patch(f"/api/v1/namespaces/{namespace}", annotation)
    await cluster.made(others, pod("classified", _networks(block[1]), scheduled=True))
    replies: list[Reply] = []

    async def admitted() -> bool:
        replies.append(await cluster.create(namespace, pod("sharing", _networks(block[1]), scheduled=True)))
        return replies[-1].created

    await eventually(admitted, "the policy is in force")
    (warning,) = replies[-1].warnings
    assert "an object of another namespace; admitted" in warning
    assert others not in warning
    message = f"MAC {block[1]}: Collision between pod/{namespace}/sharing, 1 of other namespaces"
    await until_told(cluster, message, ("Pod", namespace, "sharing"))
