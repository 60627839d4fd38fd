"""Pods that something after us refuses: their addresses come back by themselves."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from tests.support.cluster_client import pod, together
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

PODS: Final = 200
TWO_NETWORKS: Final = '[{"name":"one"},{"name":"two"}]'


async def test_200_pods_rejected_by_a_quota_leave_nothing_behind_once_the_bound_has_passed(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[2 * PODS - 1])
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await cluster.done("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    other = f"{namespace}-other"
    await cluster.namespace(other)

    async def in_force() -> bool:
        return "exceeded quota" in (await cluster.create(namespace, pod("probe", networks=None))).message

    # Kubernetes' own controllers back off for up to half a minute after an API server restart, which others test here.
    await eventually(in_force, "the quota is in force", within=90)
    rejected = await together(
        cluster.create(
            namespace, pod(f"pod-{number}", TWO_NETWORKS) if number % 2 else pod("", TWO_NETWORKS, generate_name="gen-")
        )
        for number in range(PODS)
    )
    assert all("exceeded quota" in reply.message for reply in rejected)
    # Each of them may still be on its way, as far as we know.
    reply = await cluster.create(other, pod("too-early"))
    assert "is exhausted: 1 needed, 0 free of 400, 400 may be free again within minutes" in reply.message

    async def nothing_pending() -> bool:
        event = await cluster.made(other, pod("", networks=None, generate_name="event-"))
        assert event.created  # the watch is proven by something that happens after the bound
        return (await installed.counts())["in_flight"] == 0

    await eventually(nothing_pending, "no allocation is in flight", every=0.3)
    created = await together(cluster.made(other, pod(f"pod-{number}", TWO_NETWORKS)) for number in range(PODS))
    assert {mac for reply in created for mac in reply.macs} == {block[index] for index in range(2 * PODS)}
