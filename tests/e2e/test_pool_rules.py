"""What the ConfigMap may say of the pool beside its range: EXCLUDE and START."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.cluster_client import RANGE, ClusterClient, pod
from tests.e2e.conftest import range_of
from tests.e2e.installed import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.conftest import Block, UseRange
    from tests.e2e.installed import Installed


@pytest.fixture
async def use_only_range(cluster: ClusterClient, use_range: UseRange) -> AsyncIterator[UseRange]:
    """A range may be set, and after the test the ConfigMap has it and nothing else; then it is as it was before."""
    yield use_range
    await cluster.patch(RANGE, {"data": {"EXCLUDE": None, "START": None}})


async def taken_up(installed: Installed, text: str) -> None:
    """Wait until the pool in force reads like this."""

    async def in_force() -> bool:
        return all(range_of(installed, replica) == text for replica in installed.replicas)

    await eventually(in_force, f"the range {text} is in force on every replica")


async def test_what_is_excluded_is_never_handed_out_and_may_be_asked_for(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    await use_only_range(block[0], block[5])
    await cluster.patch(RANGE, {"data": {"EXCLUDE": f"{block[1]}-{block[2]}, {block[4].upper().replace(':', '-')}"}})
    await taken_up(installed, f"{block[0]}-{block[5]} (less 2 excluded)")
    entries = ",".join('{"name":"one"}' for _ in range(3))
    assert set((await cluster.made(namespace, pod("a", f"[{entries}]"))).macs) == {block[0], block[3], block[5]}
    reply = await cluster.create(namespace, pod("b"))
    assert f"the pool {block[0]}-{block[5]} (less 2 excluded) is exhausted: 1 needed, 0 free of 3" in reply.message
    await cluster.made(namespace, pod("c", f'[{{"name":"one","mac":"{block[1]}"}}]'))


async def test_a_wrong_exclusion_leaves_the_last_good_pool_in_force(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    await use_only_range(block[0], block[5])
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"EXCLUDE": "02:00"}})
    line = await installed.logged(since, event="range not taken up", level="warning")
    assert 'EXCLUDE "02:00" is neither' in str(line["reason"])
    assert (await cluster.made(namespace, pod("a"))).mac in {block[index] for index in range(6)}


async def test_with_start_cluster_the_search_begins_at_a_place_of_the_clusters_own(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    await use_only_range(block[0], block[0xFFFE])
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"START": "cluster"}})
    await installed.logged(since, event="range taken up", range=f"{block[0]}-{block[0xFFFE]}")
    macs = [(await cluster.made(namespace, pod(name))).mac for name in ("a", "b")]
    first = int(macs[0].replace(":", ""), 16)
    assert first - block.first > 1, (
        "the place is drawn from 65,535; the two at the beginning are not in it for this test"
    )
    assert int(macs[1].replace(":", ""), 16) == first + 1
