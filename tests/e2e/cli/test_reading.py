"""list, who, status and check: what they say is what the cluster has."""

from __future__ import annotations

from typing import TYPE_CHECKING
from xml.etree import ElementTree as ET

import pytest
from tests.support.cluster_client import ClusterClient, pod
from tests.support.machine_manifests import machine, nic
from tests.support.machines import Machines, machine_macs

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

    from tests.e2e.cli.conftest import Run
    from tests.e2e.conftest import Block
    from tests.support.installed import Installed

ONE = '[{"name":"one"}]'


def _with(*macs: str) -> str:
    return "[" + ",".join(f'{{"name":"one","mac":"{mac}"}}' for mac in macs) + "]"


@pytest.fixture
async def collision(cluster: ClusterClient, namespace: str, block: Block) -> AsyncIterator[str]:
    """Two pods that have one address, of which the second came past the webhook."""
    elsewhere = f"{namespace}-alone"
    await cluster.namespace(elsewhere)
    await cluster.leave_pods_alone(elsewhere)
    for where, name in ((namespace, "first"), (elsewhere, "second")):
        await cluster.made(where, pod(name, _with(block[7])))
    yield block[7]
    for where, name in ((namespace, "first"), (elsewhere, "second")):
        await cluster.delete(where, name, force=True)


async def test_list_shows_every_address_of_a_namespace_with_its_object(
    run: Run, cluster: ClusterClient, namespace: str, block: Block
) -> None:
    await cluster.made(namespace, pod("web", _with(block[2], block[1])))
    vm = await Machines(cluster, namespace).made(machine("vm", nic("one")))
    (of_machine,) = machine_macs(vm).values()
    shown = await run("list", "-n", namespace)
    rows = [line.split()[:5] for line in shown.out.splitlines()]
    assert rows[0][:4] == ["ADDRESS", "NAMESPACE", "KIND", "NAME"]
    wanted = [(block[1], "Pod", "web"), (block[2], "Pod", "web"), (of_machine, "VirtualMachine", "vm")]
    assert rows[1:] == [[mac, namespace, kind, name, "yes"] for mac, kind, name in sorted(wanted)]
    assert (await run("list", "-n", namespace, "--kind=pod", "-o=name")).out.split() == [block[1], block[2]]
    path = 'jsonpath={range .items[?(@.kind=="Pod")]}{.address}={.name};{end}'
    assert (await run("list", "-n", namespace, "-o", path)).out == f"{block[1]}=web;{block[2]}=web;\n"
    assert (await run("list", "-A", "--mac", block[2].upper().replace(":", "-"), "-o=json")).data["items"][0][
        "name"
    ] == "web"


async def test_labels_choose_what_is_shown_and_not_what_is_known(
    run: Run, cluster: ClusterClient, namespace: str, collision: str
) -> None:
    path = f"/api/v1/namespaces/{namespace}/pods/first"
    await cluster.patch(path, {"metadata": {"labels": {"app": "mine"}}})
    (item,) = (await run("list", "-A", "-l", "app=mine", "--collisions", "-o=json")).data["items"]
    assert (item["namespace"], item["address"], item["collides"]) == (namespace, collision, True)


async def test_free_addresses_are_nobodys(run: Run, cluster: ClusterClient, namespace: str) -> None:
    free = (await run("list", "--free", 2, "-o=name")).out.split()
    assert len(set(free)) == 2
    assert (await run("list", "-A", *(f"--mac={each}" for each in free), "-o=name")).out == ""
    assert (await cluster.made(namespace, pod("taker", _with(*free)))).macs == free


async def test_who_names_the_holders_and_says_what_the_webhook_says(
    run: Run, cluster: ClusterClient, namespace: str, collision: str, block: Block
) -> None:
    told = (await run("who", collision.upper(), "-o=json", status=1)).data
    assert {each["name"]: each["managed"] for each in told["holders"]} == {"first": True, "second": False}
    said = f"{collision} is in use by Pod {namespace}"
    assert told["ifAskedFor"].startswith(f"refused: {said}")
    assert said in (await cluster.create(namespace, pod("third", _with(collision)))).message
    shown = await run("who", block[99])
    assert "Nobody has it." in shown.out
    assert "allowed" in shown.out
    assert (await cluster.create(namespace, pod("third", _with(block[99])), dry_run=True)).created


async def test_check_finds_a_collision_and_ends_with_1(run: Run, namespace: str, collision: str) -> None:
    found = (await run("check", "-n", namespace, "-o=json", status=1)).data["items"]
    (item,) = [each for each in found if each["rule"] == "collision"]
    assert (item["object"], item["address"]) == (f"Pod {namespace}/first", collision)
    assert f"Pod {namespace}-alone/second" in item["message"]
    sarif = (await run("check", "-n", namespace, "-o=sarif", status=1)).data
    assert any(result["ruleId"] == "collision" for result in sarif["runs"][0]["results"])
    suite = ET.fromstring((await run("check", "-n", namespace, "-o=junit", status=1)).out)  # noqa: S314 (our own)
    assert [case.get("name") for case in suite.iter("testcase") if case.find("failure") is not None] == ["collision"]


async def test_check_finds_nothing_where_all_is_well(run: Run, cluster: ClusterClient, namespace: str) -> None:
    await cluster.made(namespace, pod("web", ONE))
    assert (await run("check", "-n", namespace)).err.endswith("Nothing is wrong.\n")


async def test_check_finds_a_pod_that_came_past_the_webhook(run: Run, cluster: ClusterClient, namespace: str) -> None:
    await cluster.leave_pods_alone(namespace)
    await cluster.made(namespace, pod("past", ONE))
    await cluster.patch(
        f"/api/v1/namespaces/{namespace}", {"metadata": {"labels": {"mutatepods.kubemacpool.io": None}}}
    )
    (item,) = (await run("check", "-n", namespace, "-o=json")).data["items"]
    assert (item["rule"], item["object"]) == ("bypassed", f"Pod {namespace}/past")
    await run("check", "-n", namespace, "--strict", status=1)


async def test_status_is_what_the_replicas_say(run: Run, installed: Installed) -> None:
    state = (await run("status", "-o=json")).data
    figures = await installed.figures()
    assert state["pool"]["size"] == figures["kubemacpool_pool_size_addresses"]
    assert state["pool"]["collisions"] == figures["kubevirt_kmp_duplicate_macs"]
    assert state["leader"]["identity"]
    assert state["replicas"]["wanted"] == len(installed.replicas)
    assert all(each["days"] > 0 for each in state["certificates"])
    assert state["certificates"]
    assert state["faults"] == []
    shown = await run("status")
    assert state["leader"]["identity"] in shown.out
    assert "\x1b" not in shown.out


async def test_who_may_not_read_is_told_so(run: Run, namespace: str) -> None:
    ended = await run("list", "-n", namespace, "--as=nobody", "--as-group=nothing", status=3)
    assert 'pods is forbidden: User "nobody" cannot list resource "pods"' in ended.err


async def test_a_cluster_that_does_not_answer_is_told_in_one_sentence(run: Run, tmp_path: Path) -> None:
    config = tmp_path / "config"
    config.write_text(
        "current-context: a\ncontexts: [{name: a, context: {cluster: a}}]\n"
        "clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}]\n"
    )
    ended = await run("status", "--kubeconfig", config, status=3)
    assert len(ended.err.splitlines()) == 1
