"""What a replica does while it cannot know enough, and what happens when there is none.

It is seen with one replica: where there are two, the old ones go on answering until the new one is ready.
"""

from __future__ import annotations

import asyncio
import time
from typing import TYPE_CHECKING, Final

import msgspec
from tests.e2e.test_objects import MUTATOR
from tests.support.cluster_client import CONFIG_MAPS, RANGE, ConfigMap, pod
from tests.support.installed import eventually
from tests.support.reviews import BRIEFLY, review, verdict, webhook

if TYPE_CHECKING:
    from tests.e2e.conftest import UseRange
    from tests.e2e.faults.conftest import LateProxy
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

ROLE: Final = "/apis/rbac.authorization.k8s.io/v1/clusterroles/kubemacpool-manager-role"


class Role(msgspec.Struct):
    """A ClusterRole."""

    rules: list[dict[str, list[str]]]


async def give_up_after(cluster: ClusterClient, seconds: int) -> None:
    """Set the webhook's time-out."""
    patch = [{"op": "replace", "path": "/webhooks/0/timeoutSeconds", "value": seconds}]
    await cluster.done("PATCH", MUTATOR, patch, content_type="application/json-patch+json")


async def test_until_the_first_list_is_complete_nothing_is_decided_and_a_create_is_a_slow_success(
    cluster: ClusterClient, alone: Installed, namespace: str, late_proxy: LateProxy
) -> None:
    rules = (await cluster.get(ROLE, Role)).rules
    await cluster.patch(ROLE, {"rules": [rule for rule in rules if "pods" not in rule["resources"]]})
    try:
        await alone.begin_restart()

        async def waits_for_pods_only() -> bool:
            return await alone.readiness() == {"503 the list of objects of kind Pod is not complete yet"}

        await eventually(waits_for_pods_only, "everything but the list of pods is there")
        _, text, _ = await alone.ask(webhook(alone.replica, BRIEFLY), review(namespace, "asked-directly"))
        response = verdict(text)
        assert (response.allowed, response.status.code) == (False, 503)
        assert "the list of objects of kind Pod is not complete yet" in response.status.message
        line = await alone.logged(event="the cluster cannot be followed, trying again", level="warning")
        assert "pods is forbidden" in str(line["error"])
        assert "kubemacpool-sa" in str(line["error"])
        async with late_proxy():
            began = time.monotonic()
            create = asyncio.create_task(cluster.create(namespace, pod("a")))
            await asyncio.sleep(1.5)
            assert not create.done()
            await cluster.patch(ROLE, {"rules": rules})
            reply = await create
            assert reply.created, reply.body
            assert reply.mac
            assert 1.5 < time.monotonic() - began < 10
    finally:
        await cluster.patch(ROLE, {"rules": rules})
    await asyncio.to_thread(alone.wait_ready)
    assert await alone.readiness() == {"200 ok"}


async def test_started_without_a_range_the_replica_says_so_and_waits_for_it(
    cluster: ClusterClient, alone: Installed, namespace: str, late_proxy: LateProxy
) -> None:
    data = (await cluster.get(RANGE, ConfigMap)).data
    await cluster.done("DELETE", RANGE)
    missing = (
        "ConfigMap kubemacpool-system/kubemacpool-mac-range-config: it does not exist; "
        "create it with RANGE_START and RANGE_END"
    )
    try:
        await alone.begin_restart()

        async def says_so() -> bool:
            return await alone.readiness() == {f"503 {missing}"}

        await eventually(says_so, "/readyz says what is missing")
        await alone.logged(event="range not taken up", level="warning", reason=missing)
        assert (await alone.figures(alone.replica))["kubemacpool_range_valid"] == 0
        status, text, headers = await alone.ask(webhook(alone.replica), review(namespace, "asked-directly"))
        assert (status, text, headers["Retry-After"]) == (503, f"kubemacpool cannot decide yet: {missing}\n", "1")
        # The API server asks again until the webhook's time is up, and keeps the reason to itself.
        await give_up_after(cluster, seconds=2)
        async with late_proxy():
            refused = await cluster.create(namespace, pod("a"))
            assert refused.status == 500
            assert 'failed calling webhook "mutatepods.kubemacpool.io"' in refused.message
    finally:
        await give_up_after(cluster, seconds=10)
        name = RANGE.rpartition("/")[2]
        await cluster.request("POST", CONFIG_MAPS, {"metadata": {"name": name}, "data": data})
    await asyncio.to_thread(alone.wait_ready)
    assert (await cluster.made(namespace, pod("b"))).mac


async def test_started_with_a_bad_range_the_replica_names_it_and_waits_for_a_good_one(
    cluster: ClusterClient, alone: Installed, namespace: str, use_range: UseRange
) -> None:
    data = (await cluster.get(RANGE, ConfigMap)).data
    await cluster.set_range("nonsense", data["RANGE_END"])
    await alone.begin_restart()

    async def says_so() -> bool:
        return any('RANGE_START "nonsense" is not a MAC address of 6 bytes' in text for text in await alone.readiness())

    await eventually(says_so, "/readyz says what is wrong")
    await use_range(data["RANGE_START"], data["RANGE_END"])
    await asyncio.to_thread(alone.wait_ready)
    assert (await cluster.made(namespace, pod("a"))).mac


async def test_with_our_server_dead_pods_without_the_annotation_are_created_and_others_are_refused_with_a_message(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    supervisor = installed.control_plane.layout.daemon("supervisor")
    await asyncio.to_thread(supervisor.stop, 15)
    try:
        began = time.monotonic()
        await cluster.made(namespace, pod("a", networks=None))
        assert time.monotonic() - began < 1
        refused = await cluster.create(namespace, pod("b"))
        assert refused.status == 500
        assert 'failed calling webhook "mutatepods.kubemacpool.io"' in refused.message
    finally:
        installed.installation.ensure_supervised()
        await asyncio.to_thread(installed.wait_ready)
    await cluster.made(namespace, pod("b"))
