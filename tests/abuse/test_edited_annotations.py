"""Somebody edits the annotation of a running pod past us: its interface has the address still, nobody else gets it."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import MERGE, NETWORKS, pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient

pytestmark = pytest.mark.usefixtures("survivors")

STATUS: Final = "k8s.v1.cni.cncf.io/network-status"


def networks_of(*macs: str) -> str:
    """An annotation that asks for these."""
    return json.dumps([{"name": f"net{index}", "mac": mac} for index, mac in enumerate(macs)])


def status_of(namespace: str, *macs: str) -> str:
    """What Multus reports of a pod with these interfaces beside that in the pod network."""
    default = {"name": "pods", "interface": "eth0", "mac": "0a:58:0a:f4:00:01", "default": True}
    return json.dumps([default, *({"name": f"{namespace}/net", "interface": f"net{mac}", "mac": mac} for mac in macs)])


async def annotate(cluster: ClusterClient, namespace: str, name: str, **annotations: str | None) -> None:
    """What `kubectl annotate --overwrite` does, as soon as it does not come to us any more."""
    keys = {"networks": NETWORKS, "status": STATUS}
    change = {"metadata": {"annotations": {keys[key]: value for key, value in annotations.items()}}}
    path = f"/api/v1/namespaces/{namespace}/pods/{name}"

    async def annotated() -> bool:
        return (await cluster.request("PATCH", path, change, content_type=MERGE)).status == 200

    await eventually(annotated, f"{name} is annotated")


class Asker:
    """Somebody else, who would like to have addresses."""

    def __init__(self, cluster: ClusterClient, namespace: str) -> None:
        self._cluster = cluster
        self._namespace = namespace

    async def answer(self, mac: str) -> str:
        """Why an address could not be had; empty if it could."""
        reply = await self._cluster.create(self._namespace, pod("asks", networks_of(mac)), dry_run=True)
        return "" if reply.created else reply.message

    async def until_held(self, mac: str, holder: str) -> None:
        """Wait until it is refused because of this pod."""

        async def held() -> bool:
            return f"{mac} is in use by Pod {holder};" in await self.answer(mac)

        await eventually(held, f"{mac} is held by {holder}")

    async def until_free(self, mac: str) -> None:
        """Wait until it could be had."""

        async def free() -> bool:
            return not await self.answer(mac)

        await eventually(free, f"{mac} is free")


@pytest.fixture
async def asker(cluster: ClusterClient, elsewhere: Elsewhere) -> Asker:
    """In a namespace of somebody else."""
    return Asker(cluster, await elsewhere("asker"))


@pytest.mark.parametrize("left", [None, "[]", "edited"])
async def test_the_address_of_a_running_pod_is_nobody_elses_whatever_its_annotation_says(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange, asker: Asker, left: str | None
) -> None:
    await use_range(block[0], block[2])
    mac = (await cluster.made(namespace, pod("runs"))).mac
    other = block[9]
    await cluster.leave_pods_alone(namespace)
    # The marker shows that we have seen what is changed in the same moment.
    await annotate(cluster, namespace, "runs", networks=networks_of(mac, other))
    await asker.until_held(other, f"{namespace}/runs")
    await annotate(cluster, namespace, "runs", networks=networks_of(block[8]) if left == "edited" else left)
    await asker.until_free(other)  # it was only written there, and is no more
    assert f"is in use by Pod {namespace}/runs;" in await asker.answer(mac)
    theirs = f"{namespace}-theirs"
    await cluster.namespace(theirs)
    given = {(await cluster.made(theirs, pod(name))).mac for name in ("a", "b")}
    assert mac not in given
    assert not (await cluster.create(theirs, pod("c"))).created, "the pool has nothing else"
    await cluster.delete(namespace, "runs", force=True)
    await asker.until_free(mac)


async def test_an_address_is_free_once_its_interface_is_reported_to_be_gone_and_the_annotation_agrees(
    cluster: ClusterClient, namespace: str, block: Block, asker: Asker
) -> None:
    await cluster.made(namespace, pod("runs", networks_of(block[0], block[1])))
    await annotate(cluster, namespace, "runs", status=status_of(namespace, block[0], block[1]))
    await cluster.leave_pods_alone(namespace)
    await annotate(cluster, namespace, "runs", networks=networks_of(block[1], block[2]))
    await asker.until_held(block[2], f"{namespace}/runs")
    assert f"is in use by Pod {namespace}/runs;" in await asker.answer(block[0]), "it is about to be unplugged"
    await annotate(cluster, namespace, "runs", status=status_of(namespace, block[1]))
    await asker.until_free(block[0])
    await annotate(cluster, namespace, "runs", status=status_of(namespace, block[3]))
    await asker.until_held(block[3], f"{namespace}/runs")
    assert f"is in use by Pod {namespace}/runs;" in await asker.answer(block[1]), "the annotation says so"


async def test_what_network_status_alone_lists_is_refused_to_others_and_is_no_collision(
    cluster: ClusterClient, namespace: str, block: Block, asker: Asker
) -> None:
    """Interfaces made from one another have one address between them: they may."""
    for name in ("a", "b"):
        await cluster.made(namespace, pod(name))
        await annotate(cluster, namespace, name, status=status_of(namespace, block[0]))
    await asker.until_held(block[0], f"{namespace}/a")
    reply = await cluster.request("GET", f"/api/v1/namespaces/{namespace}/events?fieldSelector=reason=MACCollision")
    assert b'"items":[]' in reply.body


async def test_a_network_taken_off_a_running_pod_and_put_back_has_its_address_again(
    cluster: ClusterClient, namespace: str, block: Block, asker: Asker
) -> None:
    await cluster.made(namespace, pod("runs", networks_of(block[0])))
    await annotate(cluster, namespace, "runs", networks="[]")
    assert f"is in use by Pod {namespace}/runs;" in await asker.answer(block[0])
    await annotate(cluster, namespace, "runs", networks=networks_of(block[0]))
    await asker.until_held(block[0], f"{namespace}/runs")
