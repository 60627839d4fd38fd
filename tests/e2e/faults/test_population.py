"""Two thousand pods: distinct addresses, and a ledger that survives whatever happens to us and to the API server."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Final

import pytest
import pytest_asyncio
from tests.support.cluster_client import ClusterClient, macs_of, pod, together
from tests.support.installed import eventually, process_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.support.cluster_client import Reply
    from tests.support.installed import Installed

PODS: Final = 2000
CROWD: Final = "crowd"
TWO_NETWORKS: Final = '[{"name":"one"},{"name":"two"}]'


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def crowd(installed: Installed) -> dict[str, str]:
    """Two thousand pods with two networks each, made by sixteen clients: name to annotation."""
    async with ClusterClient(installed.control_plane) as cluster:
        await cluster.namespace(CROWD)
        replies = await together(
            cluster.made(
                CROWD, pod(f"pod-{number}", TWO_NETWORKS) if number % 2 else pod("", TWO_NETWORKS, generate_name="gen-")
            )
            for number in range(PODS)
        )
    return {reply.metadata.name: reply.networks for reply in replies}


async def check_holders(cluster: ClusterClient, crowd: Mapping[str, str]) -> None:
    """Every address of every pod is refused to another one, and its holder is named."""

    async def ask(name: str, networks: str) -> tuple[str, Reply]:
        return name, await cluster.create(CROWD, pod("another", networks), dry_run=True)

    for name, reply in await together(ask(name, networks) for name, networks in crowd.items()):
        assert reply.status == 403, (name, reply.body)
        for mac in macs_of(crowd[name]):
            assert f"mac {mac} is in use by Pod {CROWD}/{name};" in reply.message


async def test_2000_pods_created_by_16_clients_have_4000_distinct_addresses_of_the_range(
    crowd: dict[str, str], installed: Installed
) -> None:
    macs = [mac for networks in crowd.values() for mac in macs_of(networks)]
    assert len(macs) == len(set(macs)) == 2 * PODS
    assert all("02:b0:00:00:00:00" <= mac <= "02:b0:00:ff:ff:ff" for mac in macs)

    async def settled() -> bool:
        return (await installed.counts())["in_flight"] == 0

    await eventually(settled, "all allocations are settled")


async def test_killed_and_started_again_all_replicas_have_the_same_ledger(
    crowd: dict[str, str], cluster: ClusterClient, installed: Installed
) -> None:
    before = await installed.counts()
    assert before["held"] >= 2 * PODS
    await asyncio.gather(*map(installed.kill, installed.replicas))
    for replica in installed.replicas:
        after = await installed.counts(replica)
        assert (after["held"], after["in_flight"]) == (before["held"], 0)
    await check_holders(cluster, crowd)
    reply = await cluster.made(CROWD, pod("after-the-kill"))
    assert reply.mac not in "".join(crowd.values())


async def test_after_a_hand_over_the_other_replica_leads_at_once_with_the_same_ledger_and_nothing_in_doubt(
    crowd: dict[str, str], cluster: ClusterClient, installed: Installed
) -> None:
    async def nothing_suspect() -> bool:
        event = await cluster.made(CROWD, pod("", networks=None, generate_name="event-"))
        assert event.created  # the watch is proven by something that happens after the bound
        return (await installed.counts())["in_doubt"] == 0

    await eventually(nothing_suspect, "what the killed leader might have allocated is known", every=0.3)
    before = await installed.leader()
    held = (await installed.counts())["held"]
    since = installed.log_ends()
    process_of(before).send(signal.SIGTERM)

    async def other_decides() -> bool:
        return (await installed.leader()).name != before.name

    await eventually(other_decides, "another replica leads")
    counts = await installed.counts()
    assert (counts["held"], counts["in_flight"], counts["in_doubt"]) == (held, 0, 0)
    after = await installed.leader()
    steps = [str(line["event"]) for line in installed.log_of(after, since)]
    assert "acquired" in steps
    assert "the watch is behind, listing afresh" not in steps
    await installed.replaced(before)
    await check_holders(cluster, crowd)


@pytest.mark.usefixtures("crowd")
async def test_an_api_server_that_was_restarted_is_followed_again(cluster: ClusterClient, installed: Installed) -> None:
    processes = installed.processes
    before = await cluster.made(CROWD, pod("before-the-restart"))
    same = f'[{{"name":"one","mac":"{before.mac}"}}]'
    await cluster.judged(CROWD, pod("another", same), dry_run=True)  # everything so far has been seen
    held = (await installed.counts())["held"]
    await asyncio.to_thread(installed.control_plane.stop_apiserver)
    await asyncio.to_thread(installed.control_plane.start_apiserver)
    assert (await installed.counts())["held"] == held
    reply = await cluster.made(CROWD, pod("after-the-restart"))

    async def seen() -> bool:
        return (await installed.counts())["held"] == held + 1

    await eventually(seen, "the new pod is seen as a holder")
    await cluster.delete(CROWD, "after-the-restart")

    async def free() -> bool:
        networks = f'[{{"name":"one","mac":"{reply.mac}"}}]'
        return (await cluster.create(CROWD, pod("another", networks), dry_run=True)).created

    await eventually(free, "its address is free again")
    assert installed.processes == processes


async def test_what_happened_while_the_watch_was_lost_beyond_recall_is_made_up_for(
    crowd: dict[str, str], cluster: ClusterClient, installed: Installed
) -> None:
    # The replicas hear nothing of all this, and their resourceVersion is compacted away meanwhile.
    foreign = "foreign"
    await cluster.namespace(foreign, {"mutatepods.kubemacpool.io": "ignore"})
    deleted, left = dict(list(crowd.items())[:50]), dict(list(crowd.items())[50:])
    since = installed.log_ends()
    processes = installed.processes
    for process in processes:
        process.send(signal.SIGSTOP)
    try:
        await asyncio.to_thread(installed.control_plane.stop_apiserver)
        await asyncio.to_thread(installed.control_plane.start_apiserver)
        await together(cluster.delete(CROWD, name) for name in deleted)
        newcomers = {f"new-{number}": f'[{{"name":"one","mac":"02:b0:00:ee:00:{number:02x}"}}]' for number in range(50)}
        await together(cluster.made(foreign, pod(name, networks)) for name, networks in newcomers.items())
        await asyncio.to_thread(installed.control_plane.etcd_compact)
        await asyncio.to_thread(installed.control_plane.stop_apiserver)
        await asyncio.to_thread(installed.control_plane.start_apiserver)
    finally:
        for process in processes:
            process.send(signal.SIGCONT)
    await installed.logged(since, event="history was lost, listing afresh")
    await installed.logged(since, event="the list is complete", resource="/api/v1/pods")
    await asyncio.to_thread(installed.wait_ready)
    await check_holders(cluster, left)
    for networks in deleted.values():
        assert (await cluster.create(CROWD, pod("another", networks), dry_run=True)).created
    for name, networks in newcomers.items():
        reply = await cluster.create(CROWD, pod("another", networks), dry_run=True)
        assert f"in use by Pod {foreign}/{name};" in reply.message
