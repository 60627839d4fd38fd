"""SIGTERM: the leader says so in the Lease, and the next one goes on."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

from tests.support.cluster_client import pod
from tests.support.installed import eventually, process_of
from tests.support.lease import LEASE, Lease
from tests.support.load import Load

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

VACANT = "kubemacpool_without_leader_seconds_total"


async def test_another_replica_leads_long_before_the_lease_would_have_expired(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    await cluster.made(namespace, pod("before"))
    leader = await installed.leader()
    (follower,) = await installed.followers()
    before = await installed.figures(follower)
    duration = (await cluster.get(LEASE, Lease)).spec.lease_duration_seconds
    process_of(leader).send(signal.SIGTERM)
    assert (await cluster.made(namespace, pod("meanwhile"))).mac

    async def other_decides() -> bool:
        return (await installed.leader()).name == follower.name

    await eventually(other_decides, "the other replica leads")
    after = await installed.figures(follower)
    assert after[VACANT] - before[VACANT] < duration / 2
    assert after["kubemacpool_lease_transitions_total"] == before["kubemacpool_lease_transitions_total"] + 1
    await installed.replaced(leader)
    assert (await cluster.made(namespace, pod("after"))).mac


async def test_a_replica_that_hands_over_under_load_leaves_little_in_doubt_and_its_block_to_the_next(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    leader = await installed.leader()
    (follower,) = await installed.followers()
    since = installed.log_ends()
    async with Load(cluster, namespace, block) as load:
        await load.until_more(50)
        process_of(leader).send(signal.SIGTERM)
        await load.until_more(20)
    assert load.shared() == []
    (released,) = installed.log_of(leader, since, event="released")
    (acquired,) = installed.log_of(follower, since, event="acquired")
    # At most what was on its way for the clients: the block, of 2,048 addresses, is not among it.
    assert acquired["in_doubt"] == released["reserved"]
    assert int(str(released["reserved"])) <= 16 * 2
    await installed.replaced(leader)
