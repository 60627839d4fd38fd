"""Pods that are refused after us leave what they were allocated in flight; that is nobody else's trouble."""

from __future__ import annotations

import asyncio
import json
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import pod, together
from tests.support.installed import eventually

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed

pytestmark = pytest.mark.usefixtures("survivors")

MOST_INTERFACES: Final = 256
ATTACKERS: Final = 12
NETWORKS: Final = json.dumps([{"name": f"net-{number}"} for number in range(MOST_INTERFACES)])


def _misnamed(name: str) -> dict[str, object]:
    """A pod that the API server refuses once every webhook has had its say."""
    manifest = json.loads(json.dumps(pod(name, NETWORKS)))
    manifest["spec"]["containers"][0]["name"] = "No_Container_Has_Such_A_Name"
    return dict(manifest)


async def test_a_namespace_whose_pods_are_refused_after_us_is_told_so_and_nobody_else_notices(
    cluster: ClusterClient, installed: Installed, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    quota = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await cluster.done("POST", f"/api/v1/namespaces/{namespace}/resourcequotas", quota)
    others = await elsewhere("others")
    since = installed.log_ends()
    answers: list[Reply] = []
    over = asyncio.Event()

    async def attack(number: int) -> None:
        """Some by a name that is none, others by the quota."""
        manifest = _misnamed(f"pod-{number}") if number % 2 else pod(f"pod-{number}", NETWORKS)
        while not over.is_set():
            answers.append(await cluster.create(namespace, manifest))

    def told() -> list[str]:
        return [each.message for each in answers if each.status == 503]

    attacks = [asyncio.create_task(attack(number)) for number in range(ATTACKERS)]
    made = 0

    async def told_while_others_create_pods() -> bool:
        nonlocal made
        networks = [f'[{{"name":"net","mac":"{block[made + each]}"}}]' for each in range(2)]
        manifests = [
            *(pod(f"automatic-{made + each}") for each in range(2)),
            *(pod(f"chosen-{made + each}", chosen) for each, chosen in enumerate(networks)),
        ]
        made += 2
        await together(cluster.made(others, manifest) for manifest in manifests)
        return bool(told()) and made >= 40

    try:
        await eventually(
            told_while_others_create_pods, "the namespace is told that it has too much in flight", within=60
        )
    finally:
        over.set()
        await asyncio.gather(*attacks)
    kept_waiting = [str(line["object"]) for line in installed.log(since, event="cannot decide yet")]
    assert [each for each in kept_waiting if f"Pod {others}/" in each] == []
    assert {each.status for each in answers} <= {403, 422, 503}
    assert f"addresses are on their way to namespace {namespace}, and this object needs 256 more" in told()[0]
    assert "the limit of a namespace is 1250" in told()[0]
