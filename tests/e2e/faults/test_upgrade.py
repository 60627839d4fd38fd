"""Installing over what is installed, and installing for the first time with a range of one's own."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


async def test_a_range_edited_before_the_first_start_is_the_one_that_counts(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    assert (await cluster.made(namespace, pod("a"))).mac.startswith("02:b0:00:")
    assert {line["range"] for line in installed.log(event="range taken up")} == {"02:b0:00:00:00:00-02:b0:00:ff:ff:ff"}


async def test_two_upgrades_in_a_row_work_and_lose_no_holder(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    holder = await cluster.made(namespace, pod("holder"))
    same = f'[{{"name":"one","mac":"{holder.mac}"}}]'
    await cluster.judged(namespace, pod("other", same), dry_run=True)  # the holder has been seen
    held = (await installed.counts())["held"]
    for number in range(2):
        before = installed.processes
        await asyncio.to_thread(installed.sync)
        assert not installed.processes & before
        assert (await installed.counts())["held"] == held + number
        reply = await cluster.create(namespace, pod("other", same))
        assert f"in use by Pod {namespace}/holder" in reply.message
        await cluster.made(namespace, pod(f"after-{number}"))
