"""What is broken on real nodes while fifty pods a second are created costs no create more than it must."""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING

import pytest
from tests.nodes.pace import Pace
from tests.support.cluster_client import ClusterClient

from devcluster.deployment import NAMESPACE

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.nodes.namespaces import Real, Replica

pytestmark = pytest.mark.nightly

WEBHOOK_SECONDS = 10.0
"""What the webhook configuration allows a review."""
PROXY_SECONDS = 2.0
"""Until every kube-proxy, which gathers changes for a second, has done what the endpoints say."""


@pytest.fixture
async def client(real: Real) -> AsyncIterator[ClusterClient]:
    """The API server, with all well before and mended after."""
    await asyncio.to_thread(real.settled)
    async with ClusterClient(real.plane) as made:
        yield made
    await asyncio.to_thread(mended, real)


@pytest.fixture
async def pace(client: ClusterClient) -> AsyncIterator[Pace]:
    """Creates that go on."""
    namespace = f"paced-{time.monotonic_ns()}"
    await client.namespace(namespace)
    async with Pace(client, namespace) as going:
        begun = time.monotonic()
        yield going
    print(going.told(begun))  # noqa: T201 - for `pytest -s`: what it cost
    await client.done("DELETE", f"/api/v1/namespaces/{namespace}")


def mended(real: Real) -> None:
    """Bring every node back, and both replicas."""
    real.plane.set_nodes(len(real.fleet.names()))
    for name in real.fleet.names():
        real.fleet.mend(name)
        real.kubectl("uncordon", name)
    real.nodes_ready()
    real.settled()


async def gone(real: Real, replica: Replica) -> float:
    """Wait until the Service does not lead to a replica any more; gives when."""
    await asyncio.to_thread(real.until, lambda: replica.address not in real.endpoints(), "the endpoint has gone", 90)
    return time.monotonic()


async def test_a_rollout_fails_no_create(real: Real, pace: Pace) -> None:
    begun = time.monotonic()
    await asyncio.to_thread(real.kubectl, "rollout", "restart", "deployment", "-n", NAMESPACE)
    await asyncio.to_thread(real.kubectl, "rollout", "status", "deployment", "-n", NAMESPACE, "--timeout=120s")
    await asyncio.to_thread(real.settled)

    assert not pace.failures, pace.told(begun)
    assert not pace.shared()


async def test_the_drain_of_the_leaders_node_fails_no_create(real: Real, pace: Pace) -> None:
    leader = await asyncio.to_thread(real.leader)
    begun = time.monotonic()
    await asyncio.to_thread(real.kubectl, "drain", leader.node, "--force", "--ignore-daemonsets", "--timeout=90s")
    await asyncio.to_thread(real.settled)

    assert leader.node not in {replica.node for replica in await asyncio.to_thread(real.replicas)}
    assert not pace.failures, pace.told(begun)
    assert not pace.shared()


async def test_a_killed_leader_costs_what_was_inside_or_sent_before_its_endpoint_had_gone(
    real: Real, pace: Pace
) -> None:
    leader = await asyncio.to_thread(real.leader)
    killed = time.monotonic()
    await asyncio.to_thread(real.signal, leader, "KILL")
    removed = await gone(real, leader)
    await asyncio.to_thread(real.settled)
    await asyncio.sleep(1)

    late = [failure for failure in pace.failures if failure.sent > removed + PROXY_SECONDS]
    assert not late, pace.told(killed)
    assert {failure.cause for failure in pace.failures} <= {"nobody listens", "broken off"}, pace.told(killed)
    assert not pace.shared()


@pytest.mark.parametrize("loss", ["power", "cable"])
async def test_a_lost_node_costs_creates_the_webhooks_time_out_once(real: Real, pace: Pace, loss: str) -> None:
    leader = await asyncio.to_thread(real.leader)
    node = real.fleet.node(leader.node)
    lost = time.monotonic()
    if loss == "power":
        await asyncio.to_thread(node.stop)
    else:
        await asyncio.to_thread(real.fleet.cut, leader.node)
    await asyncio.sleep(2 * WEBHOOK_SECONDS)
    before = len(pace.macs)
    await asyncio.sleep(2)

    assert len(pace.macs) > before, pace.told(lost)
    later = [failure for failure in pace.failures if failure.sent > lost + WEBHOOK_SECONDS]
    assert not later, pace.told(lost)
    assert not pace.shared()
