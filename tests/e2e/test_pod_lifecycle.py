"""When a pod's addresses are taken, and when they are free again."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from tests.support.cluster_client import NETWORKS, pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed


def with_mac(name: str, mac: str) -> dict[str, object]:
    """A pod with one network and an address of the user's choice."""
    return pod(name, f'[{{"name":"one","mac":"{mac}"}}]')


async def may_have(cluster: ClusterClient, namespace: str, mac: str) -> Reply:
    """Ask whether a new pod could have an address."""
    return await cluster.create(namespace, with_mac("somebody-else", mac), dry_run=True)


async def until_free(cluster: ClusterClient, namespace: str, mac: str) -> None:
    """Wait until a new pod could have an address."""

    async def free() -> bool:
        return (await may_have(cluster, namespace, mac)).created

    await eventually(free, f"{mac} is free")


async def until_held(cluster: ClusterClient, namespace: str, mac: str, holder: str) -> None:
    """Wait until a new pod is refused an address because of this holder."""

    async def held() -> bool:
        reply = await may_have(cluster, namespace, mac)
        return not reply.created and f"in use by Pod {holder};" in reply.message

    await eventually(held, f"{mac} is held by {holder}")


async def test_a_pod_with_generate_name_is_tracked_like_any_other(cluster: ClusterClient, namespace: str) -> None:
    replies = [await cluster.made(namespace, pod(generate_name="gen-")) for _ in range(5)]
    assert len({reply.mac for reply in replies}) == 5
    for reply in replies:
        await until_held(cluster, namespace, reply.mac, f"{namespace}/{reply.metadata.name}")
        await cluster.delete(namespace, reply.metadata.name)
        await until_free(cluster, namespace, reply.mac)


async def test_a_pod_with_generate_name_may_choose_its_address_and_its_like_is_refused_it(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    first, second = await asyncio.gather(
        *(cluster.create(namespace, pod(networks=networks, generate_name="gen-")) for _ in range(2))
    )
    holder, refused = (first, second) if first.created else (second, first)
    assert holder.created
    assert refused.status == 403
    await until_held(cluster, namespace, block[0], f"{namespace}/{holder.metadata.name}")


async def test_a_pod_whose_generated_name_was_cut_is_recognised(
    cluster: ClusterClient, namespace: str, installed: Installed
) -> None:
    reply = await cluster.made(namespace, pod(generate_name="x" * 60 + "-"))
    assert len(reply.metadata.name) == 63
    await until_held(cluster, namespace, reply.mac, f"{namespace}/{reply.metadata.name}")

    async def settled() -> bool:
        return (await installed.counts())["in_flight"] == 0

    await eventually(settled, "its allocation is settled by its own object", within=1.5)  # before its bound of 2 s


async def test_a_deleted_pod_frees_its_addresses(cluster: ClusterClient, namespace: str, block: Block) -> None:
    await cluster.made(namespace, with_mac("a", block[0]))
    assert (await cluster.create(namespace, with_mac("b", block[0]))).status == 403
    await cluster.delete(namespace, "a")
    await until_free(cluster, namespace, block[0])
    await cluster.made(namespace, with_mac("b", block[0]))
    await until_held(cluster, namespace, block[0], f"{namespace}/b")


async def test_a_pod_created_again_at_once_under_its_name_keeps_its_address(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    await cluster.made(namespace, with_mac("a", block[0]))
    for _ in range(20):
        await cluster.delete(namespace, "a")
        await cluster.made(namespace, with_mac("a", block[0]))
    await until_held(cluster, namespace, block[0], f"{namespace}/a")


async def test_a_second_create_under_a_name_is_refused_for_the_name_not_for_the_address(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    await cluster.made(namespace, with_mac("a", block[0]))
    await until_held(cluster, namespace, block[0], f"{namespace}/a")
    again = await cluster.create(namespace, with_mac("a", block[0]))
    assert (again.status, again.reason) == (409, "AlreadyExists")
    await until_held(cluster, namespace, block[0], f"{namespace}/a")


async def test_a_pod_that_completed_frees_its_addresses(cluster: ClusterClient, namespace: str, block: Block) -> None:
    for index, phase in enumerate(("Succeeded", "Failed")):
        name = phase.lower()
        await cluster.made(namespace, with_mac(name, block[index]))
        await until_held(cluster, namespace, block[index], f"{namespace}/{name}")
        await cluster.patch(f"/api/v1/namespaces/{namespace}/pods/{name}/status", {"status": {"phase": phase}})
        await until_free(cluster, namespace, block[index])


async def test_the_pods_of_a_job_free_their_addresses_when_it_is_complete(
    cluster: ClusterClient, namespace: str
) -> None:
    template = pod(metadata={"annotations": {NETWORKS: '[{"name":"one"}]'}}, scheduled=True, generate_name="ignored-")
    spec = template["spec"]
    assert isinstance(spec, dict)
    job = {
        "metadata": {"name": "job"},
        "spec": {
            "template": {
                "metadata": {"annotations": {NETWORKS: '[{"name":"one"}]'}},
                "spec": spec | {"restartPolicy": "Never"},
            }
        },
    }
    await cluster.done("POST", f"/apis/batch/v1/namespaces/{namespace}/jobs", job)
    pods = f"/api/v1/namespaces/{namespace}/pods"

    async def complete() -> bool:
        reply = await cluster.request("GET", pods, params={"fieldSelector": "status.phase=Succeeded"})
        return b'"uid"' in reply.body

    await eventually(complete, "the Job's pod has completed")
    reply = await cluster.request("GET", pods)
    (mac,) = {part.partition('\\"')[0] for part in reply.body.decode().split('\\"mac\\":\\"')[1:]}
    await until_free(cluster, namespace, mac)


async def test_a_terminating_pod_holds_its_address_until_it_is_gone(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    held_back = pod("a", f'[{{"name":"one","mac":"{block[0]}"}}]', metadata={"finalizers": ["example.com/wait"]})
    await cluster.made(namespace, held_back)
    await cluster.delete(namespace, "a")
    await cluster.made(namespace, pod("event-after-it"))
    await until_held(cluster, namespace, block[0], f"{namespace}/a")
    await cluster.patch(f"/api/v1/namespaces/{namespace}/pods/a", {"metadata": {"finalizers": None}})
    await until_free(cluster, namespace, block[0])


async def test_a_pod_whose_annotation_changes_holds_what_it_has_had_until_it_is_gone(
    cluster: ClusterClient, namespace: str, block: Block
) -> None:
    """Its interfaces have that still."""
    await cluster.made(namespace, with_mac("a", block[0]))
    for networks in (f'[{{"name":"one","mac":"{block[1]}"}}]', None):
        changed = {"metadata": {"annotations": {NETWORKS: networks}}}
        await cluster.patch(f"/api/v1/namespaces/{namespace}/pods/a", changed)
        await until_held(cluster, namespace, block[1], f"{namespace}/a")
        await until_held(cluster, namespace, block[0], f"{namespace}/a")
    await cluster.delete(namespace, "a")
    for mac in (block[0], block[1]):
        await until_free(cluster, namespace, mac)


async def test_the_address_of_a_force_deleted_pod_is_given_to_others_after_its_cool_down(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[2])
    for index, name in enumerate("abc"):
        assert (await cluster.made(namespace, pod(name, scheduled=name == "a"))).mac == block[index]
    await cluster.delete(namespace, "b")
    await until_free(cluster, namespace, block[1])
    await asyncio.sleep(2.1)  # b's cool-down
    await cluster.delete(namespace, "a", force=True)
    await until_free(cluster, namespace, block[0])  # for those who ask for it
    # a's address is next in turn, but it cools down, and b's does no longer.
    assert (await cluster.made(namespace, pod("d"))).mac == block[1]
    await asyncio.sleep(2.1)  # a's cool-down
    assert (await cluster.made(namespace, pod("e"))).mac == block[0]


async def test_rather_than_refusing_a_pod_the_address_that_cooled_longest_is_given(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[1])
    for index, name in enumerate("ab"):
        assert (await cluster.made(namespace, pod(name))).mac == block[index]
    for index, name in ((1, "b"), (0, "a")):
        await cluster.delete(namespace, name)
        await until_free(cluster, namespace, block[index])
    assert (await cluster.made(namespace, pod("c"))).mac == block[1]


async def test_an_address_whose_cool_down_has_passed_counts_as_free_without_anybody_asking_for_one(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[9])
    await cluster.made(namespace, pod("a"))
    await cluster.delete(namespace, "a")

    async def all_free() -> bool:
        return (await installed.figures())["kubemacpool_pool_free_addresses"] == 10

    await eventually(all_free, "all ten addresses count as free")
    assert (await installed.counts())["cooling"] == 0


async def test_a_pod_refused_after_us_leaks_nothing(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await cluster.done("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)

    async def refused_by_quota() -> bool:
        return "exceeded quota" in (await cluster.create(namespace, pod("probe", networks=None))).message

    await eventually(refused_by_quota, "the quota is in force")
    reply = await cluster.create(namespace, with_mac("a", block[0]))
    assert "exceeded quota" in reply.message
    other = f"{namespace}-other"
    await cluster.namespace(other)
    reply = await cluster.create(other, with_mac("b", block[0]))
    assert f"was allocated to Pod {namespace}/a a moment ago" in reply.message
    await until_nothing_pending(cluster, installed, other)
    await cluster.made(other, with_mac("b", block[0]))


async def until_nothing_pending(cluster: ClusterClient, installed: Installed, namespace: str) -> None:
    """Wait for the end of the in-flight bound; the watch is proven by an event after it, which this makes."""

    async def none() -> bool:
        reply = await cluster.made(namespace, pod(networks=None, generate_name="event-"))
        await cluster.delete(namespace, reply.metadata.name)
        return (await installed.counts())["in_flight"] == 0

    await eventually(none, "no allocation is in flight", every=0.3)
