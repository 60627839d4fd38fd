"""Collisions that outlast the connection to the API server."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.cluster_client import pod
from tests.support.telling import collision, events_of, until_shared, until_told

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


async def share(cluster: ClusterClient, namespace: str, mac: str, *names: str) -> str:
    """Make pods that share an address, and wait until it is told; gives what is said of them."""
    for name in names:
        await cluster.made(namespace, pod(name, f'[{{"name":"one","mac":"{mac}"}}]'))
    message = collision(mac, *(f"pod/{namespace}/{name}" for name in names))
    await until_told(cluster, message, *(("Pod", namespace, name) for name in names))
    return message


async def test_a_collision_that_outlasts_a_restart_of_the_api_server_is_told_once_more_at_most(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    ignored = f"{namespace}-ignored"
    await cluster.namespace(ignored, {"mutatepods.kubemacpool.io": "ignore"})
    message = await share(cluster, ignored, block[0], "a", "b")
    since = installed.log_ends()
    await asyncio.to_thread(installed.control_plane.stop_apiserver)
    await asyncio.to_thread(installed.control_plane.start_apiserver)
    await installed.leader()
    await share(cluster, ignored, block[1], "c", "d")  # every watch goes on, and there was a look since
    await until_shared(installed, block[0], 2)
    # Not at all where the leader stays the same in time; else by the leader next.
    assert len(installed.log(since, event="collision", address=block[0])) <= 1
    told = [event for event in await events_of(cluster, ignored) if event.message == message]
    for name in ("a", "b"):
        assert sum(event.count for event in told if event.involved_object.name == name) in {1, 2}
