"""What the ConfigMap may say of the pool beside its range: EXCLUDE and START."""

from __future__ import annotations

from hashlib import sha256
from typing import TYPE_CHECKING

import msgspec
import pytest
from tests.e2e.conftest import range_of
from tests.support.cluster_client import RANGE, ClusterClient, Found, pod
from tests.support.installed import eventually

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.e2e.conftest import Block, UseRange
    from tests.support.installed import Installed


class Event(msgspec.Struct):
    """What kubectl shows of an Event."""

    message: str
    type: str


class EventList(msgspec.Struct):
    """Events."""

    items: list[Event]


@pytest.fixture
async def use_only_range(cluster: ClusterClient, use_range: UseRange) -> AsyncIterator[UseRange]:
    """A range may be set, and after the test the ConfigMap has it and nothing else; then it is as it was before."""
    yield use_range
    await cluster.patch(RANGE, {"data": {"EXCLUDE": None, "START": None}})


async def taken_up(installed: Installed, text: str) -> None:
    """Wait until the pool in force reads like this."""

    async def in_force() -> bool:
        return all(range_of(installed, replica) == text for replica in installed.replicas)

    await eventually(in_force, f"the range {text} is in force on every replica")


async def test_what_is_excluded_is_never_handed_out_and_may_be_asked_for(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    await use_only_range(block[0], block[5])
    await cluster.patch(RANGE, {"data": {"EXCLUDE": f"{block[1]}-{block[2]}, {block[4].upper().replace(':', '-')}"}})
    await taken_up(installed, f"{block[0]}-{block[5]} (less 2 excluded)")
    entries = ",".join('{"name":"one"}' for _ in range(3))
    assert set((await cluster.made(namespace, pod("a", f"[{entries}]"))).macs) == {block[0], block[3], block[5]}
    reply = await cluster.create(namespace, pod("b"))
    assert f"the pool {block[0]}-{block[5]} (less 2 excluded) is exhausted: 1 needed, 0 free of 3" in reply.message
    await cluster.made(namespace, pod("c", f'[{{"name":"one","mac":"{block[1]}"}}]'))


@pytest.mark.parametrize("separator", [",", " , ", "\n", "  "], ids=repr)
async def test_exclusions_may_stand_on_one_line_or_on_many(
    cluster: ClusterClient, installed: Installed, block: Block, use_only_range: UseRange, separator: str
) -> None:
    await use_only_range(block[0], block[9])
    entries = [block[1], f"{block[3]}-{block[5]}", f"{block[7].upper()}-{block[8].replace(':', '-')}"]
    await cluster.patch(RANGE, {"data": {"EXCLUDE": separator.join(entries)}})
    await taken_up(installed, f"{block[0]}-{block[9]} (less 3 excluded)")
    assert (await installed.figures())["kubemacpool_pool_size_addresses"] == 10 - 6


async def test_an_exclusion_is_taken_up_while_running_and_leaves_holders_what_they_have(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    before = installed.processes
    await use_only_range(block[0], block[2])
    held = (await cluster.made(namespace, pod("holder"))).mac
    await cluster.patch(RANGE, {"data": {"EXCLUDE": f"{block[0]}-{block[1]}"}})
    await taken_up(installed, f"{block[0]}-{block[2]} (less 1 excluded)")
    refused = await cluster.judged(namespace, pod("other", f'[{{"name":"one","mac":"{held}"}}]'), dry_run=True)
    assert f"mac {held} is in use by Pod {namespace}/holder" in refused.message
    assert held == block[0]
    assert (await cluster.made(namespace, pod("a"))).mac == block[2]
    assert not (await cluster.create(namespace, pod("b"))).created
    await cluster.patch(RANGE, {"data": {"EXCLUDE": None}})
    await taken_up(installed, f"{block[0]}-{block[2]}")
    assert (await cluster.made(namespace, pod("b"))).mac == block[1]
    assert installed.processes == before


BAD = {
    "half an address": ("EXCLUDE", "02:00", 'EXCLUDE "02:00" is neither an address nor a range of two; write it like'),
    "one bad among good ones": ("EXCLUDE", "{0}, {1}-, {2}", 'EXCLUDE "{1}-" is neither an address nor a range of two'),
    "the wrong way round": ("EXCLUDE", "{2}-{1}", 'EXCLUDE "{2}-{1}" ends before it begins; swap the two addresses'),
    "three ends": ("EXCLUDE", "{0}-{1}-{2}", 'EXCLUDE "{0}-{1}-{2}" is neither an address nor a range of two'),
    "everything": ("EXCLUDE", "{0}-{5}", "and those in EXCLUDE are left out); choose a range with unicast addresses"),
    "an unknown start": (
        "START",
        "Cluster",
        'START is "Cluster"; write range (from its beginning) or cluster (a place',
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_wrong_rule_leaves_the_last_good_pool_in_force_and_is_told_by_event_log_and_metric(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange, kind: str
) -> None:
    key, value, expected = BAD[kind]
    macs = [block[index] for index in range(6)]
    value, expected = value.format(*macs), expected.format(*macs)
    await use_only_range(block[0], block[5])
    await cluster.patch(RANGE, {"data": {"EXCLUDE": block[1]}})
    good = f"{block[0]}-{block[5]} (less 1 excluded)"
    await taken_up(installed, good)
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {key: value}})
    line = await installed.logged(since, event="range not taken up", level="warning")
    assert expected in str(line["reason"])
    assert str(line["reason"]).endswith(f"The range in force stays {good}")
    assert (await installed.figures())["kubemacpool_range_valid"] == 0
    assert await installed.readiness() == {"200 ok"}
    assert {(await cluster.made(namespace, pod(name))).mac for name in "abcde"} == {*macs} - {block[1]}

    async def told() -> bool:
        path = "/api/v1/namespaces/kubemacpool-system/events?fieldSelector=reason=InvalidRange"
        events = (await cluster.get(path, EventList)).items
        return any(event.type == "Warning" and expected in event.message for event in events)

    await eventually(told, "an Event tells of it")
    await cluster.patch(RANGE, {"data": {"EXCLUDE": None, "START": None}})
    await taken_up(installed, f"{block[0]}-{block[5]}")
    assert (await cluster.made(namespace, pod("f"))).mac == block[1]


def number(mac: str) -> int:
    """An address as a number."""
    return int(mac.replace(":", ""), 16)


async def test_with_start_cluster_the_search_begins_at_a_place_of_the_clusters_own_each_time(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_only_range: UseRange
) -> None:
    uid = (await cluster.get("/api/v1/namespaces/kube-system", Found)).metadata.uid
    place = block.first + int.from_bytes(sha256(uid.encode()).digest()) % 0xFFFF
    await use_only_range(block[0], block[0xFFFE])
    first = (await cluster.made(namespace, pod("before"))).mac

    async def use(start: str | None) -> None:
        since = installed.log_ends()
        await cluster.patch(RANGE, {"data": {"START": start}})
        await installed.logged(since, event="range taken up", range=f"{block[0]}-{block[0xFFFE]}")

    await use("cluster")
    macs = [(await cluster.made(namespace, pod(name))).mac for name in ("a", "b")]
    assert [number(mac) for mac in macs] == [place, place + 1]
    await use("range")
    assert number((await cluster.made(namespace, pod("c"))).mac) == number(first) + 1
    await use("cluster")
    assert number((await cluster.made(namespace, pod("d"))).mac) == place + 2


async def test_a_cluster_begins_at_an_address_that_is_not_a_vendors(
    cluster: ClusterClient, installed: Installed, namespace: str, use_only_range: UseRange
) -> None:
    first, last = "04:00:00:00:00:00", "06:00:00:00:00:3f"
    await use_only_range(first, last)
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"START": "cluster"}})
    await installed.logged(since, event="range taken up", range=f"{first}-{last}")
    assert (await cluster.made(namespace, pod("a"))).mac.startswith("06:")
