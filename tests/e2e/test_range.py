"""The range in the ConfigMap, changed while running."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import RANGE, pod
from tests.support.installed import eventually

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from tests.e2e.conftest import Block, UseRange
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

VALID = "kubemacpool_range_valid"
CONFIG_MAP = "kubemacpool-mac-range-config"


async def test_a_new_range_is_taken_up_without_a_restart(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    before = installed.processes
    await use_range(block[0x10], block[0x1F])
    assert (await cluster.made(namespace, pod("a"))).mac == block[0x10]
    figures = await installed.figures()
    assert figures["kubemacpool_pool_size_addresses"] == 16
    assert figures["kubemacpool_pool_free_addresses"] == 15
    assert installed.processes == before


@pytest.mark.parametrize("spelling", ["{}", "upper", "hyphens"])
async def test_the_range_may_be_written_in_any_common_spelling(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange, spelling: str
) -> None:
    await use_range(block[0], block[0])  # so that what follows is a change
    written = {"{}": block[5], "upper": block[5].upper(), "hyphens": block[5].replace(":", "-")}[spelling]
    since = installed.log_ends()
    await cluster.set_range(written, f" {written}\n")
    await installed.logged(since, event="range taken up", range=f"{block[5]}-{block[5]}")
    assert (await cluster.made(namespace, pod("a"))).mac == block[5]


async def test_a_range_of_one_address_is_a_range_and_a_full_pool_says_what_to_do(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[3], block[3])
    assert (await cluster.made(namespace, pod("a"))).mac == block[3]
    reply = await cluster.create(namespace, pod("b", '[{"name":"one"},{"name":"two"}]'))
    assert reply.status == 403
    assert (
        f"Pod {namespace}/b: the pool {block[3]}-{block[3]} is exhausted: 2 needed, 0 free of 1; "
        "delete pods that are no longer needed, or widen the range in ConfigMap kubemacpool-mac-range-config "
        "(RANGE_START, RANGE_END)"
    ) in reply.message
    # An address of the user's choice needs none of the pool.
    await cluster.made(namespace, pod("c", f'[{{"name":"one","mac":"{block[4]}"}}]'))


async def test_a_full_pool_is_told_on_the_config_map_by_one_event_however_many_are_refused(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[7], block[7])
    await cluster.made(namespace, pod("a"))
    for name in ("b", "c", "d"):
        assert (await cluster.create(namespace, pod(name))).status == 403
    assert (await cluster.create(namespace, pod("e"), dry_run=True)).status == 403

    async def told() -> list[str]:
        events = await asyncio.to_thread(
            lambda: installed.control_plane.kubectl("describe", "configmap", "-n", "kubemacpool-system", CONFIG_MAP)
        )
        full = (line for line in events.stdout.splitlines() if "PoolExhausted" in line)
        return [line for line in full if f"the pool {block[7]}-{block[7]} is exhausted" in line]

    async def once() -> bool:
        return len(await told()) == 1

    await eventually(once, "kubectl describe configmap shows it")


async def test_start_and_end_are_compared_as_48_bit_numbers(
    cluster: ClusterClient, namespace: str, use_range: UseRange
) -> None:
    # Every byte of the end but the first is smaller.
    await use_range("0A:FF:FF:FF:FF:FE", "0C:00:00:00:00:00")
    macs = (await cluster.made(namespace, pod("a", '[{"name":"one"},{"name":"two"},{"name":"three"}]'))).macs
    # 0b:… lies between them, and is multicast.
    assert macs == ["0a:ff:ff:ff:ff:fe", "0a:ff:ff:ff:ff:ff", "0c:00:00:00:00:00"]


async def test_02_00_00_00_00_00_is_never_handed_out(
    cluster: ClusterClient, installed: Installed, namespace: str, use_range: UseRange
) -> None:
    await use_range("02:00:00:00:00:00", "02:00:00:00:00:0F")
    assert (await installed.figures())["kubemacpool_pool_size_addresses"] == 15
    entries = ",".join('{"name":"one"}' for _ in range(16))
    reply = await cluster.create(namespace, pod("a", f"[{entries}]"))
    assert "is exhausted: 16 needed, " in reply.message


async def test_existing_addresses_outside_a_new_range_stay_with_their_holders(
    cluster: ClusterClient, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[0xF])
    held = (await cluster.made(namespace, pod("a"))).mac
    await use_range(block[0x100], block[0x10F])
    reply = await cluster.judged(namespace, pod("b", f'[{{"name":"one","mac":"{held}"}}]'))
    assert f"mac {held} is in use by Pod {namespace}/a" in reply.message
    await use_range(block[0], block[1])
    assert (await cluster.made(namespace, pod("c"))).mac == block[1]


BAD = {
    "end before start": ("0A:00:00:00:00:01", "0A:00:00:00:00:00", "RANGE_START 0a:00:00:00:00:01 is greater than"),
    "end before start in the first byte": ("0C:00:00:00:00:00", "0A:FF:FF:FF:FF:FF", "is greater than RANGE_END"),
    "not an address": ("0A:00:00:00:00", "0A:00:00:00:00:01", 'RANGE_START "0A:00:00:00:00" is not a MAC address'),
    "missing": ("0A:00:00:00:00:00", None, "RANGE_END is missing"),
    "multicast only": ("0B:00:00:00:00:00", "0B:FF:FF:FF:FF:FF", "no unicast address in it may be handed out"),
    "02:00:00:00:00:00 only": (
        "02:00:00:00:00:00",
        "02:00:00:00:00:00",
        "02:00:00:00:00:00 and those in EXCLUDE are left out",
    ),
}


@pytest.mark.parametrize("kind", BAD)
async def test_a_bad_edit_changes_nothing_and_is_told_by_event_log_and_metric_until_it_is_mended(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange, kind: str
) -> None:
    start, end, expected = BAD[kind]
    await use_range(block[0], block[9])
    since = installed.log_ends()
    await cluster.patch(RANGE, {"data": {"RANGE_START": start, "RANGE_END": end}})
    line = await installed.logged(since, event="range not taken up", level="warning")
    assert expected in str(line["reason"])
    assert str(line["reason"]).endswith(f"The range in force stays {block[0]}-{block[9]}")
    assert (await installed.figures())[VALID] == 0
    assert await installed.readiness() == {"200 ok"}
    assert (await cluster.made(namespace, pod("a"))).mac == block[0]

    async def told() -> bool:
        events = await asyncio.to_thread(
            lambda: installed.control_plane.kubectl(
                "get", "events", "-n", "kubemacpool-system", "--field-selector", "reason=InvalidRange"
            )
        )
        return any(
            "Warning" in event and "configmap/kubemacpool-mac-range-config" in event and expected in event
            for event in events.stdout.splitlines()
        )

    await eventually(told, "kubectl get events shows it")
    await use_range(block[0x20], block[0x29])
    assert (await installed.figures())[VALID] == 1
    assert (await cluster.made(namespace, pod("b"))).mac == block[0x20]


async def test_a_bad_edit_that_is_taken_back_is_forgotten(
    cluster: ClusterClient, installed: Installed, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[9])
    await cluster.set_range("nonsense", block[9])
    await eventually(lambda: _valid(installed, 0), "the metric shows it")
    await cluster.set_range(block[0], block[9])
    await eventually(lambda: _valid(installed, 1), "the metric shows that it was taken back")


async def test_a_deleted_config_map_changes_nothing_and_is_told(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block, use_range: UseRange
) -> None:
    await use_range(block[0], block[9])
    since = installed.log_ends()
    await cluster.done("DELETE", RANGE)
    line = await installed.logged(since, event="range not taken up")
    assert "ConfigMap kubemacpool-system/kubemacpool-mac-range-config: it was deleted" in str(line["reason"])
    assert (await installed.figures())[VALID] == 0
    assert await installed.readiness() == {"200 ok"}
    assert (await cluster.made(namespace, pod("a"))).mac == block[0]
    # As an administrator would: what other tests see of the ConfigMap is then what they would have seen before.
    await asyncio.to_thread(installed.control_plane.kubectl, "apply", "-f", str(RELEASE_MANIFEST))
    await eventually(lambda: _valid(installed, 1), "the new ConfigMap is taken up")


async def _valid(installed: Installed, value: float) -> bool:
    return (await installed.figures())[VALID] == value
