"""What the log tells of each decision."""

from __future__ import annotations

from typing import TYPE_CHECKING

from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


def test_every_line_is_a_json_object_with_event_level_and_time(installed: Installed) -> None:
    lines = installed.log()
    assert lines
    assert all({"event", "level", "timestamp"} <= line.keys() for line in lines)


async def test_a_refusal_is_one_line_at_info_with_the_pod_the_address_and_its_holder(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(namespace, pod("holder", networks))
    await cluster.judged(namespace, pod("a", networks), dry_run=True)
    since = installed.log_ends()
    assert (await cluster.create(namespace, pod("a", networks))).status == 403
    (line,) = installed.log(since, object=f"Pod {namespace}/a")
    assert (line["event"], line["level"]) == ("refused", "info")
    assert line["addresses"] == [block[0]]
    assert line["holders"] == [f"Pod {namespace}/holder"]
    assert f"mac {block[0]} is in use by Pod {namespace}/holder" in str(line["reason"])


async def test_an_allocation_is_one_line_at_debug_with_the_pod_and_its_addresses(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    since = installed.log_ends()
    reply = await cluster.made(namespace, pod("a", f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two"}}]'))
    (line,) = installed.log(since, object=f"Pod {namespace}/a")
    assert (line["event"], line["level"]) == ("allocated", "debug")
    assert line["addresses"] == reply.macs
    assert line["dry_run"] is False


async def test_a_pod_that_has_no_name_yet_is_named_by_its_prefix(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    since = installed.log_ends()
    await cluster.made(namespace, pod(generate_name="web-"))
    (line,) = installed.log(since, object=f"Pod {namespace}/web-*")
    assert line["event"] == "allocated"


async def test_an_annotation_that_is_wrong_is_one_line_at_info(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    since = installed.log_ends()
    assert (await cluster.create(namespace, pod("a", "[{"))).status == 400
    (line,) = installed.log(since, object=f"Pod {namespace}/a")
    assert (line["event"], line["level"]) == ("refused", "info")
