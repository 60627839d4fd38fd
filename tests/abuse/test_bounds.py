"""Objects and settings larger than anybody needs: what is said of them stays short, and nobody waits for it."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import NETWORKS, RANGE, pod
from tests.support.installed import eventually
from tests.support.machine_manifests import machine, nic

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed
    from tests.support.machines import Machines

pytestmark = pytest.mark.usefixtures("survivors")

MOST: Final = 256
"""Interfaces of one object."""

SCREEN: Final = 4096
"""Characters: more than ten faults take, each with the object's name, what was written, and what to do."""


def networks(*macs: str) -> str:
    """A network-selection annotation with an entry for each of these."""
    return json.dumps([{"name": f"net-{index}", "mac": mac} for index, mac in enumerate(macs)])


async def test_an_exclude_of_hyphens_keeps_nobody_waiting(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    ends = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"EXCLUDE": "-" * 900_000}})
    try:
        replies = await asyncio.gather(*(cluster.create(namespace, pod(f"p{number}")) for number in range(8)))
        assert [reply.created for reply in replies] == [True] * 8, replies
        line = await installed.logged(ends, event="range not taken up")
    finally:
        await cluster.patch(RANGE, {"data": {"EXCLUDE": None}})
    assert "is neither an address nor a range of two" in str(line["reason"])
    assert len(str(line["reason"])) < SCREEN


async def test_a_pod_may_have_256_networks_and_no_more(cluster: ClusterClient, namespace: str) -> None:
    reply = await cluster.create(namespace, pod("a", json.dumps([{"name": "net"}] * (MOST + 1))))
    assert (reply.status, reply.reason) == (400, "BadRequest")
    assert f"the list has {MOST + 1} entries; give at most {MOST}" in reply.message
    made = await cluster.made(namespace, pod("b", json.dumps([{"name": "net"}] * MOST)))
    assert len(set(made.macs)) == MOST


async def test_of_a_pod_that_was_given_more_later_the_first_256_count_and_the_fault_is_told(
    cluster: ClusterClient, installed: Installed, elsewhere: Elsewhere, namespace: str, block: Block
) -> None:
    unserved = await elsewhere("unserved")
    await cluster.leave_pods_alone(unserved)
    ends = installed.log_ends()
    many = networks(*(block[index] for index in range(MOST + 44)))
    await cluster.made(unserved, pod("many", many))
    line = await installed.logged(ends, event="object passed over: its addresses cannot be read", name="many")
    assert f"the list has {MOST + 44} entries; only the first {MOST} are taken in" in str(line["reason"])
    refused = await cluster.judged(namespace, pod("late", networks(block[MOST - 1])))
    assert f"is in use by Pod {unserved}/many" in refused.message
    await cluster.made(namespace, pod("beyond", networks(block[MOST])))


async def test_of_200_faults_in_a_pod_ten_are_told(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    ends = installed.log_ends()
    for name, macs in {
        "malformed": ["02:00" + ":zz" * 40] * 200,
        "multicast": [f"01:00:00:00:00:{index:02x}" for index in range(200)],
        "twice": ["0a:00:00:00:00:01"] * 201,
    }.items():
        reply = await cluster.create(namespace, pod(name, networks(*macs)))
        assert reply.status == 400, name
        assert reply.message.endswith("; and 190 more"), reply.message
        assert len(reply.message) < SCREEN
    assert all(len(json.dumps(line)) < 2 * SCREEN for line in installed.log(ends))


async def test_of_200_conflicts_ten_are_told_in_refusals_and_in_warnings(
    cluster: ClusterClient, installed: Installed, elsewhere: Elsewhere, namespace: str, block: Block
) -> None:
    macs = [block[index] for index in range(200)]
    await cluster.made(namespace, pod("first", networks(*macs)))
    reply = await cluster.judged(namespace, pod("second", networks(*macs)))
    assert reply.status == 403
    assert reply.message.endswith("; and 190 more"), reply.message
    lenient = await elsewhere("lenient")
    policy = {"metadata": {"annotations": {"kubemacpool.io/conflict-policy": "warn"}}}
    await cluster.patch(f"/api/v1/namespaces/{lenient}", policy)

    async def admitted() -> bool:
        return (await cluster.create(lenient, pod("dry", networks(*macs)), dry_run=True)).created

    await eventually(admitted, "the namespace's policy is known")
    ends = installed.log_ends()
    made = await cluster.made(lenient, pod("third", networks(*macs)))
    assert len(made.warnings) == 11
    assert made.warnings[-1] == "kubemacpool: and 190 more"
    assert all(len(json.dumps(line)) < 2 * SCREEN for line in installed.log(ends) if line["event"] == "allocated")


async def test_a_name_that_nobody_may_have_is_not_told_at_length(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """The API server looks at names after us."""
    ends = installed.log_ends()
    for about in ({"name": "n" * 100_000}, {"generateName": "g" * 100_000}):
        body = pod("x")
        body["metadata"] = about | {"annotations": {NETWORKS: '[{"name":"net"}]'}}
        reply = await cluster.create(namespace, body)
        assert reply.status in {400, 422}
        assert len(reply.message) < SCREEN, reply.message[:200]
    assert all(len(json.dumps(line)) < SCREEN for line in installed.log(ends))


async def test_of_200_faults_in_a_machine_ten_are_told(vms: Machines) -> None:
    for name, nics in {
        "malformed": [nic(f"n{index}", "zz") for index in range(200)],
        "namesakes": [nic("n", "") for _ in range(201)],
    }.items():
        reply = await vms.create(machine(name, *nics))
        assert reply.status == 400, name
        assert "; and 190 more" in reply.message, reply.message
        assert len(reply.message) < SCREEN


async def test_a_short_form_without_an_end_is_told_in_one_line(cluster: ClusterClient, namespace: str) -> None:
    made = await cluster.made(namespace, pod("a", ",".join(["net"] * 50_000)))
    (warning,) = made.warnings
    assert len(warning) <= 256


async def test_lists_of_nothing_without_an_end_are_refused_unread(
    cluster: ClusterClient, vms: Machines, namespace: str
) -> None:
    for count, told in {
        87_000: "the list has 87000 entries",
        300_000: "an object may have 262144 of annotations",
    }.items():
        reply = await cluster.create(namespace, pod("p", f"[{','.join(['{}'] * count)}]"))
        assert (reply.status, told in reply.message) == (400, True), reply.message[:SCREEN]
    endless = machine("m", nic())
    endless["spec"]["template"]["spec"]["networks"] = [{}] * 300_000
    reply = await vms.create(endless)
    assert reply.status == 400
    assert "spec.networks: the list has 300000 entries; give at most 256" in reply.message
