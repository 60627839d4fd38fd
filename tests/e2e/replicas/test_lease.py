"""The Lease lost, or written by somebody whom this program does not understand."""

from __future__ import annotations

import ssl
from datetime import datetime
from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.replicas.others import ANSWER, newer_replica, stranger
from tests.support.cluster_client import pod
from tests.support.installed import ENVIRONMENT, eventually
from tests.support.lease import FORMAT, LEASE, OPEN, OTHER, Lease, claim
from tests.support.reviews import BRIEFLY, review, verdict, webhook

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed, LogLine

    from devcluster.installation import ReplicaStatus

LOST: Final = "nobody knows what was allocated lately"
LOST_EVENT: Final = f"{LOST}: waiting until nothing of it can be on its way"
BOUND: Final = float(ENVIRONMENT["KUBEMACPOOL_WAIT_TIME"])


async def excuse(installed: Installed, replica: ReplicaStatus, namespace: str) -> str:
    """Why a replica does not decide: it says so with code 503, at the end of the API server's time to people."""
    _, text, _ = await installed.ask(webhook(replica, BRIEFLY), review(namespace, "asked-directly"))
    response = verdict(text)
    assert (response.allowed, response.status.code) == (False, 503)
    return response.status.message


def seconds_between(first: LogLine, second: LogLine) -> float:
    """The time between two lines of the log."""
    began, ended = (datetime.fromisoformat(str(line["timestamp"])) for line in (first, second))
    return (ended - began).total_seconds()


async def test_without_the_lease_nobody_leads_until_the_bound_has_passed_and_then_it_is_made_anew(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(namespace, pod("holder", networks))
    since = installed.log_ends()
    await cluster.done("DELETE", LEASE)
    lost = await installed.logged(since, event=LOST_EVENT, level="warning")
    assert lost["reason"] == "Lease kubemacpool-leader: it does not exist"
    for replica in installed.replicas:
        assert f"{LOST} (kubemacpool-leader)" in await excuse(installed, replica, namespace)
    assert (await cluster.made(namespace, pod("waits"))).mac  # a slow success
    (made,) = installed.log(since, event="the Lease was made anew")
    assert seconds_between(lost, made) >= BOUND
    refused = await cluster.create(namespace, pod("other", networks))
    assert f"mac {block[0]} is in use by Pod {namespace}/holder" in refused.message
    assert (await cluster.get(LEASE, Lease)).spec.holder_identity


@pytest.mark.parametrize(
    ("annotation", "value", "told"),
    [
        (FORMAT, "3", "annotation kubemacpool.io/format is 3, and this program understands up to 2"),
        (OPEN, "nonsense", 'annotation kubemacpool.io/reserved has "nonsense": not a MAC address'),
    ],
)
async def test_annotations_that_cannot_be_read_are_told_and_replaced_when_nothing_can_be_on_its_way(
    cluster: ClusterClient, installed: Installed, namespace: str, annotation: str, value: str, told: str
) -> None:
    leader = await installed.leader()
    before = (await cluster.get(LEASE, Lease)).spec.lease_transitions
    since = installed.log_ends()
    await cluster.patch(LEASE, {"metadata": {"annotations": {annotation: value}}})

    async def lost() -> bool:
        return bool(installed.log_of(leader, since, event=LOST_EVENT, level="warning"))

    await eventually(lost, "the replica that decided has seen it")
    (line,) = installed.log_of(leader, since, event=LOST_EVENT)
    assert told in str(line["reason"])
    assert f"{LOST} (kubemacpool-leader)" in await excuse(installed, leader, namespace)
    assert (await cluster.made(namespace, pod("waits"))).mac  # a slow success
    (acquired,) = installed.log(since, event="acquired")
    assert seconds_between(line, acquired) >= BOUND
    after = await cluster.get(LEASE, Lease)
    assert (after.metadata.annotations[FORMAT], after.spec.lease_transitions) == ("2", before + 1)


async def test_while_a_newer_program_holds_the_lease_reviews_are_handed_to_it(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    leader = await installed.leader()
    async with newer_replica(cluster) as other:
        await cluster.patch(LEASE, claim(other.endpoint, "3"))

        async def stepped_down() -> bool:
            return (await installed.figures(leader))["kubemacpool_leader"] == 0

        await eventually(stepped_down, "the replica that decided has seen it")
        for number, replica in enumerate(installed.replicas):
            _, text, _ = await installed.ask(webhook(replica), review(namespace, f"pod-{number}"))
            assert text == ANSWER
        assert other.asked == len(installed.replicas)
    # It is silent from now on: the Lease expires, and after it the bound passes.
    assert (await installed.leader()).name in {replica.name for replica in installed.replicas}
    assert (await cluster.made(namespace, pod("after"))).mac
    assert (await cluster.get(LEASE, Lease)).metadata.annotations[FORMAT] == "2"


async def test_a_holder_whose_certificate_is_not_of_our_authority_is_sent_nothing_and_replaced_when_it_is_silent(
    cluster: ClusterClient, installed: Installed, namespace: str, tmp_path: Path
) -> None:
    leader = await installed.leader()
    since = installed.log_ends()
    async with stranger(tmp_path) as other:
        trusted = ssl.create_default_context(cafile=str(other.authority))
        assert await other.answers(trusted)
        heard = len(other.heard)
        await cluster.patch(LEASE, claim(other.endpoint))

        async def stepped_down() -> bool:
            return (await installed.figures(leader))["kubemacpool_leader"] == 0

        await eventually(stepped_down, "the replica that decided has seen it")
        for replica in installed.replicas:
            assert f"replica {other.endpoint}, which leads, does not answer" in await excuse(
                installed, replica, namespace
            )
            reasons = {str(line["reason"]) for line in installed.log_of(replica, since, event="not forwarded")}
            assert any("certificate verify failed" in reason for reason in reasons), reasons
        assert len(other.heard) == heard
    assert (await cluster.made(namespace, pod("waits"))).mac  # a slow success, once the Lease has expired
    assert (await cluster.get(LEASE, Lease)).spec.holder_identity != OTHER
