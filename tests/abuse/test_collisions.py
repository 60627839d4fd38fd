"""Thousands of collisions, made past the webhook: others are served, and what is told of them has a bound."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.support.cluster_client import NETWORKS, pod, together
from tests.support.installed import eventually
from tests.support.telling import events_of, until_shared

from kubemacpool.follow.collision_events import FEW_ADDRESSES
from kubemacpool.kube.events import EVENTS_A_SECOND, EVENTS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

pytestmark = pytest.mark.usefixtures("survivors")

MOST: Final = 256
"""Addresses of one object."""

PODS: Final = 8
ROUNDS: Final = 6
LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases"


class _Spec(msgspec.Struct, rename="camel"):
    lease_transitions: int = 0


class _Lease(msgspec.Struct):
    spec: _Spec


class _Leases(msgspec.Struct):
    items: list[_Lease]


def _networks(macs: Sequence[str]) -> str:
    return json.dumps([{"name": "net", "mac": mac} for mac in macs])


async def _transitions(cluster: ClusterClient) -> int:
    """How often the Lease has changed hands."""
    return sum(lease.spec.lease_transitions for lease in (await cluster.get(LEASE, _Leases)).items)


async def _ignored(cluster: ClusterClient, namespace: str) -> str:
    name = f"{namespace}-past-us"
    await cluster.namespace(name, {"mutatepods.kubemacpool.io": "ignore"})
    return name


async def test_pods_with_256_addresses_each_that_are_the_same_pair_by_pair_disturb_nobody(
    cluster: ClusterClient, installed: Installed, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    ignored, others = await _ignored(cluster, namespace), await elsewhere("others")
    for number in range(PODS):
        await cluster.made(ignored, pod(f"pod-{number}", None))
    terms, since, begun = await _transitions(cluster), installed.log_ends(), asyncio.get_running_loop().time()
    for turn in range(ROUNDS):
        await together(_annotate(cluster, ignored, number, turn, block) for number in range(PODS))
        made = await together(cluster.create(others, pod(f"pod-{turn}-{number}")) for number in range(20))
        assert [reply.status for reply in made] == [201] * 20
    last = [block[((ROUNDS - 1) * PODS + pair) * MOST] for pair in range(PODS // 2)]
    for mac in last:
        await until_shared_by(installed, mac)
    seconds = asyncio.get_running_loop().time() - begun
    events = await events_of(cluster, ignored)
    assert len(events) <= min(ROUNDS * PODS * (FEW_ADDRESSES + 1), EVENTS_AT_ONCE + EVENTS_A_SECOND * seconds)
    assert all(len(event.message) <= 1024 for event in events)
    written = sum(len(json.dumps(line)) for line in installed.log(since))
    assert written < 2_000_000, "60 MB were seen"
    assert await _transitions(cluster) == terms
    await together(cluster.delete(ignored, f"pod-{number}", force=True) for number in range(PODS))


async def until_shared_by(installed: Installed, mac: str) -> None:
    """Wait until the leader counts the collisions of which this is one."""

    async def so() -> bool:
        figures = await installed.figures()
        return figures.get("kubevirt_kmp_duplicate_macs", 0) >= PODS // 2 * MOST

    await eventually(so, f"{mac} and all others that collide are counted")


async def _annotate(cluster: ClusterClient, namespace: str, number: int, turn: int, block: Block) -> None:
    first = (turn * PODS + number // 2) * MOST
    macs = [block[first + index] for index in range(MOST)]
    path = f"/api/v1/namespaces/{namespace}/pods/pod-{number}"
    await cluster.patch(path, {"metadata": {"annotations": {NETWORKS: _networks(macs)}}})


async def test_a_hundred_pods_that_come_one_after_the_other_to_share_an_address_are_told_once_each(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    path = f"/api/v1/namespaces/{namespace}"
    await cluster.patch(path, {"metadata": {"annotations": {"kubemacpool.io/conflict-policy": "warn"}}})

    async def let_through() -> bool:
        holder = await cluster.create(namespace, pod("pod-0", _networks([block[0]])))
        assert holder.created or holder.status == 409
        return (await cluster.create(namespace, pod("probe", _networks([block[0]])), dry_run=True)).created

    await eventually(let_through, "the policy of the namespace is in force")
    since = installed.log_ends()
    for number in range(1, 100):
        await cluster.made(namespace, pod(f"pod-{number}", _networks([block[0]])))
    await until_shared(installed, block[0], 100)

    async def told() -> bool:
        return len({event.involved_object.name for event in await events_of(cluster, namespace)}) == 100

    await eventually(told, "every pod has an Event", within=60.0)
    events = await events_of(cluster, namespace)
    assert len(events) <= 102, "the two that met first may have been told twice, by a change of who leads"
    assert max(len(event.message) for event in events) < 1024
    assert any("more" in event.message for event in events)
    assert len(installed.log(since, event="collision")) <= 100
