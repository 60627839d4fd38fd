"""A fault of ours that somebody finds costs them their object, and nobody else more than a moment."""

from __future__ import annotations

import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.support.cluster_client import pod, together
from tests.support.installed import Installed, eventually, installation, process_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.abuse.conftest import Elsewhere
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient

PROGRAM: Final = Path(__file__).with_name("faulty_program.py")
ASIDE: Final = "kubemacpool_objects_set_aside{kind=Pod}"


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation of a program with faults, on a cluster of its own."""
    with installation(tmp_path_factory.mktemp("faulty"), controllers=False, kubevirt=True) as installed:
        plan = installed._plan()
        arguments = [sys.executable, str(PROGRAM), *plan.arguments[1:]]
        installed._follow(msgspec.structs.replace(plan, revision=plan.revision + 1, arguments=arguments))
        installed.wait_ready()
        yield installed


async def _set_aside(installed: Installed, number: int) -> None:
    async def so() -> bool:
        figures = [await installed.figures(replica) for replica in installed.replicas]
        return all(each and each.get(ASIDE, 0) == number for each in figures)

    await eventually(so, f"every replica has set {number} pods aside")


async def _all_ready(installed: Installed) -> None:
    async def so() -> bool:
        return all(each.startswith("200") for each in await installed.readiness())

    await eventually(so, "every replica is ready")


@pytest.mark.usefixtures("survivors")
async def test_objects_that_break_us_are_set_aside_and_everybody_else_is_served(
    cluster: ClusterClient, installed: Installed, namespace: str, elsewhere: Elsewhere, block: Block
) -> None:
    others = await elsewhere("others")
    theirs = await cluster.made(others, pod("theirs", f'[{{"name":"one","mac":"{block[0]}"}}]'))
    names = [f"poison-{number}" for number in range(10)]
    macs = [block[1 + number] for number in range(10)]
    for name, mac in zip(names, macs, strict=True):
        await cluster.create(namespace, pod(name, f'[{{"name":"one","mac":"{mac}"}}]'))
    made = await together(cluster.made(others, pod(f"pod-{number}")) for number in range(40))
    assert len({reply.mac for reply in made} | {theirs.mac, *macs}) == 51
    await _set_aside(installed, 10)
    await _all_ready(installed)
    refused = await cluster.judged(others, pod("late", f'[{{"name":"one","mac":"{block[0]}"}}]'))
    assert refused.message.count(f"Pod {others}/theirs")
    refused = await cluster.judged(others, pod("thief", f'[{{"name":"one","mac":"{macs[0]}"}}]'))
    assert f"Pod {namespace}/poison-0" in refused.message
    for name in names:
        await cluster.delete(namespace, name, force=True)
    await _set_aside(installed, 0)


@pytest.mark.usefixtures("survivors")
async def test_an_object_that_breaks_us_again_and_again_is_left_alone_before_long(
    cluster: ClusterClient, installed: Installed, namespace: str, elsewhere: Elsewhere
) -> None:
    others = await elsewhere("others")
    await cluster.create(namespace, pod("poison"))
    path = f"/api/v1/namespaces/{namespace}/pods/poison"
    for number in range(30):
        await cluster.patch(path, {"metadata": {"labels": {"number": str(number)}}})
        await cluster.made(others, pod(f"pod-{number}"))
    await _all_ready(installed)
    since = installed.log_ends()
    for number in range(30, 60):
        await cluster.patch(path, {"metadata": {"labels": {"number": str(number)}}})
    await cluster.made(others, pod("last"))
    assert installed.log(since, event="the list is complete") == []
    await cluster.delete(namespace, "poison", force=True)
    await _set_aside(installed, 0)


async def test_a_replica_whose_election_fails_hands_over_and_ends_with_the_reason_in_its_last_line(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    leader = await installed.leader()
    since = installed.log_ends()
    process_of(leader).send(signal.SIGUSR2)
    await installed.replaced(leader)
    (ended,) = installed.log_of(leader, since, event="ended for a fault of its own")
    assert "the task election has failed" in str(ended["reason"])
    lines = installed.log_of(leader, since)
    begun = next(number for number, line in enumerate(lines) if line["event"] == "starting")
    assert lines[begun - 1] == ended
    assert installed.log_of(leader, since, event="released")
    (replica,) = (replica for replica in installed.replicas if replica.name == leader.name)
    assert replica.last_exit == "ended with status 1"
    await cluster.made(namespace, pod("a"))
