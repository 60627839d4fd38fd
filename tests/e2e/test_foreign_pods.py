"""Pods that came into the cluster past us: what can be read counts, and what cannot is told by name."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


@pytest.mark.parametrize(
    "broken",
    ['[{"name":"one"', '[{"name":"one","mac":7}]', '[{"name":"one","mac":"nonsense"}]', "[" * 20_000],
    ids=["cut short", "a number", "no address", "nested deeply"],
)
async def test_a_foreign_pod_that_cannot_be_read_is_reported_once_by_name_and_the_others_still_count(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, broken: str
) -> None:
    ignored = f"{namespace}-ignored"
    await cluster.namespace(ignored, {"mutatepods.kubemacpool.io": "ignore"})
    since = installed.log_ends()
    unreadable = "kubemacpool_unreadable_objects_total{kind=Pod}"
    figures = {replica: await installed.figures(replica) for replica in installed.replicas}
    await cluster.made(ignored, pod("before", f'[{{"name":"one","mac":"{block[0]}"}}]'))
    await cluster.made(ignored, pod("broken", broken))
    for number in range(3):  # each of these tells of the pod again
        await cluster.patch(f"/api/v1/namespaces/{ignored}/pods/broken", {"metadata": {"labels": {"n": f"{number}"}}})
    await cluster.made(ignored, pod("behind", f'[{{"name":"one","mac":"{block[1]}"}}]'))

    async def counted() -> bool:
        replies = [
            await cluster.create(namespace, pod("a", f'[{{"name":"one","mac":"{block[index]}"}}]'), dry_run=True)
            for index in range(2)
        ]
        return all(
            f"in use by Pod {ignored}/{holder}" in reply.message
            for holder, reply in zip(("before", "behind"), replies, strict=True)
            if not reply.created
        ) and not any(reply.created for reply in replies)

    await eventually(counted, "the pods before and behind it are known as holders")
    for replica, before in figures.items():
        (line,) = installed.log_of(replica, since, level="warning", namespace=ignored, name="broken")
        assert line["kind"] == "Pod"
        assert line["reason"]
        assert (await installed.figures(replica))[unreadable] == before.get(unreadable, 0) + 1


async def test_the_readable_address_beside_an_unreadable_one_counts(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    ignored = f"{namespace}-ignored"
    await cluster.namespace(ignored, {"mutatepods.kubemacpool.io": "ignore"})
    half = f'[{{"name":"one","mac":"nonsense"}},{{"name":"two","mac":"{block[0]}"}}]'
    await cluster.made(ignored, pod("half", half))

    async def held() -> bool:
        reply = await cluster.create(namespace, pod("a", f'[{{"name":"one","mac":"{block[0]}"}}]'), dry_run=True)
        return not reply.created and f"in use by Pod {ignored}/half" in reply.message

    await eventually(held, "its address is in use")


async def test_an_address_that_two_foreign_pods_share_is_free_only_when_both_are_gone(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    ignored = f"{namespace}-ignored"
    await cluster.namespace(ignored, {"mutatepods.kubemacpool.io": "ignore"})
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    for name in ("first", "second"):
        await cluster.made(ignored, pod(name, networks))

    async def answer() -> str:
        reply = await cluster.create(namespace, pod("a", networks), dry_run=True)
        return "free" if reply.created else reply.message

    async def held() -> bool:
        return f"in use by Pod {ignored}/" in await answer()

    await eventually(held, "it is in use")
    await cluster.delete(ignored, "first")

    async def held_by_second() -> bool:
        return f"in use by Pod {ignored}/second" in await answer()

    await eventually(held_by_second, "the second still has it")
    await asyncio.sleep(0.2)
    assert await held_by_second()
    await cluster.delete(ignored, "second")

    async def free() -> bool:
        return await answer() == "free"

    await eventually(free, "it is free")
