"""Many clients that create and delete at once, in a pool that is nearly full: no two living pods share an address."""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from typing import TYPE_CHECKING, Final

from tests.support.cluster_client import NETWORKS, FoundList, macs_of, pod, together
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

POOL: Final = 40
CLIENTS: Final = 16
SECONDS: Final = 6.0
ENOUGH: Final = 50
"""Of what is created and of what is refused."""
SECONDS_AT_MOST: Final = 60.0


async def living(cluster: ClusterClient, namespace: str) -> list[str]:
    """Every address of every pod that exists now, read consistently."""
    pods = await cluster.get(f"/api/v1/namespaces/{namespace}/pods", FoundList)
    return [mac for each in pods.items for mac in macs_of(each.metadata.annotations[NETWORKS])]


async def test_no_two_living_pods_ever_share_an_address_and_in_the_end_all_are_free(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[POOL - 1])
    begin = time.monotonic()
    outcomes: Counter[str] = Counter()

    def over() -> bool:
        enough = min(outcomes["created"], outcomes["Forbidden"]) > ENOUGH
        return time.monotonic() > begin + (SECONDS if enough else SECONDS_AT_MOST)

    async def client(number: int) -> None:
        draw = random.Random()  # noqa: S311 (chance, not secrecy)
        own: list[str] = []
        while not over():
            if len(own) > 3 or (own and draw.random() < 0.4):
                await cluster.delete(namespace, own.pop(draw.randrange(len(own))))
                continue
            mac = f',"mac":"{block[draw.randrange(POOL)]}"' if draw.random() < 0.3 else ""
            networks = f'[{{"name":"one"{mac}}}]'
            # Few names, so that they are used again at once.
            named = pod(f"pod-{number}-{draw.randrange(6)}", networks)
            reply = await cluster.create(
                namespace, named if draw.random() < 0.5 else pod("", networks, generate_name="gen-")
            )
            if reply.created:
                own.append(reply.metadata.name)
            outcomes["created" if reply.created else reply.reason] += 1
        await together(cluster.delete(namespace, name) for name in own)

    clients = [asyncio.create_task(client(number)) for number in range(CLIENTS)]
    while not all(each.done() for each in clients):
        shared = [mac for mac, count in Counter(await living(cluster, namespace)).items() if count > 1]
        assert shared == []
        await asyncio.sleep(0.05)
    await asyncio.gather(*clients)
    assert outcomes.keys() <= {"created", "Forbidden", "AlreadyExists"}, outcomes
    assert min(outcomes["created"], outcomes["Forbidden"]) > ENOUGH, outcomes

    async def all_free() -> bool:
        await cluster.made(namespace, pod("", networks=None, generate_name="event-"))
        return (await installed.figures())["kubemacpool_pool_free_addresses"] == POOL

    await eventually(all_free, "every address is free again", every=0.3)
