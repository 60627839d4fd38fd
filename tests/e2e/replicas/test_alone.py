"""One replica is enough: the same program, the same Lease, nobody to hand it to."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


async def test_a_replica_alone_leads_and_goes_on_after_a_restart_and_after_a_crash(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    async with installed.alone():
        networks = f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two"}}]'
        first = await cluster.made(namespace, pod("first", networks))
        await installed.begin_restart()
        await asyncio.to_thread(installed.wait_ready)
        second = await cluster.made(namespace, pod("second", '[{"name":"one"},{"name":"two"}]'))
        await installed.kill(installed.replica)
        third = await cluster.made(namespace, pod("third", '[{"name":"one"},{"name":"two"}]'))
        assert len({*first.macs, *second.macs, *third.macs}) == 6
        refused = await cluster.judged(namespace, pod("other", networks), dry_run=True)
        assert f"mac {block[0]} is in use by Pod {namespace}/first" in refused.message
