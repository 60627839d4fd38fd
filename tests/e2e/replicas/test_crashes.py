"""kill -9 while many create pods: what the killed replica was doing fails, and nothing else."""

from __future__ import annotations

import signal
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.support.cluster_client import NETWORKS, FoundList, macs_of, pod
from tests.support.installed import eventually, process_of
from tests.support.load import Load

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

    from devcluster.installation import ReplicaStatus

BEFORE: Final = 50
AFTER: Final = 50


async def kill_under(load: Load, installed: Installed, killed: ReplicaStatus) -> float:
    """Kill a replica while pods are created, and go on creating; gives when it had left the Service."""

    async def left() -> bool:
        return all(each.pid != killed.pid or each.state != "ready" for each in installed.replicas)

    await load.until_more(BEFORE)
    process_of(killed).send(signal.SIGKILL)
    await eventually(left, "the killed replica has left the Service")
    without_it = time.monotonic()
    await load.until_more(AFTER)
    await installed.replaced(killed)
    await load.until_more(AFTER)
    return without_it


def check_failures(load: Load, without_it: float) -> None:
    """Only creates fail that were given to the killed replica; they began before it had left the Service."""
    late = [failure for failure in load.failures if failure.began > without_it]
    assert late == []
    assert all("failed calling webhook" in failure.message for failure in load.failures), load.failures


async def check_ledger(cluster: ClusterClient, installed: Installed) -> None:
    """No address was given twice, and none is lost: what is not held is free."""

    async def settled() -> bool:
        await cluster.made("default", pod("", networks=None, generate_name="event-"))
        counts = await installed.counts()
        return counts["in_flight"] == counts["in_doubt"] == 0

    await eventually(settled, "nothing is in flight or in doubt", every=0.3)
    pods = (await cluster.get("/api/v1/pods", FoundList)).items
    annotated = [each.metadata.annotations[NETWORKS] for each in pods if NETWORKS in each.metadata.annotations]
    carried = Counter(mac for networks in annotated for mac in macs_of(networks))
    assert [mac for mac, count in carried.items() if count > 1] == []
    for replica in installed.replicas:

        async def seen(replica: ReplicaStatus = replica) -> bool:
            return (await installed.counts(replica))["held"] == len(carried)

        await eventually(seen, f"{replica.name} knows every holder")
    figures = await installed.figures()
    taken = sum((await installed.counts()).values())
    assert figures["kubemacpool_pool_free_addresses"] == figures["kubemacpool_pool_size_addresses"] - taken


async def test_the_leader_is_killed_and_creates_go_on_with_no_address_given_twice_and_none_lost(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    leader = await installed.leader()
    async with Load(cluster, namespace, block) as load:
        without_it = await kill_under(load, installed, leader)
    assert load.shared() == []
    check_failures(load, without_it)
    assert (await installed.leader()).name != leader.name
    await check_ledger(cluster, installed)


async def test_a_follower_is_killed_and_only_what_was_given_to_it_fails(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    leader = await installed.leader()
    transitions = (await installed.figures())["kubemacpool_lease_transitions_total"]
    (follower,) = await installed.followers()
    async with Load(cluster, namespace, block) as load:
        without_it = await kill_under(load, installed, follower)
    assert load.shared() == []
    check_failures(load, without_it)
    assert (await installed.leader()).name == leader.name
    assert (await installed.figures())["kubemacpool_lease_transitions_total"] == transitions
    await check_ledger(cluster, installed)
