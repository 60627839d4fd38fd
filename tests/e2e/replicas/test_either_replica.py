"""It does not matter which replica is asked."""

from __future__ import annotations

from base64 import b64decode
from typing import TYPE_CHECKING

import pytest
from tests.e2e.replicas.others import SERVING_PAIR
from tests.support.cluster_client import ConfigMap, pod
from tests.support.lease import LEASE, Lease
from tests.support.reviews import review, verdict, webhook

if TYPE_CHECKING:
    from tests.e2e.conftest import Block
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

    from devcluster.installation import ReplicaStatus

ANSWERED = "kubemacpool_forwarded_reviews_total{outcome=answered}"
MISDIRECTED = 421


async def by_role(installed: Installed) -> dict[str, ReplicaStatus]:
    """The two replicas."""
    (follower,) = await installed.followers()
    return {"leader": await installed.leader(), "follower": follower}


async def test_an_address_in_use_is_refused_in_the_same_words_by_either_replica(
    cluster: ClusterClient, installed: Installed, namespace: str, block: Block
) -> None:
    networks = f'[{{"name":"one","mac":"{block[0]}"}}]'
    await cluster.made(namespace, pod("holder", networks))
    await cluster.judged(namespace, pod("other", networks), dry_run=True)  # the holder has been seen
    said = set()
    for replica in installed.replicas:
        status, text, _ = await installed.ask(webhook(replica), review(namespace, "other", networks))
        assert status == 200
        response = verdict(text)
        assert not response.allowed
        said.add(response.status.message)
    (message,) = said
    assert f"mac {block[0]} is in use by Pod {namespace}/holder" in message


@pytest.mark.parametrize(("first", "second"), [("leader", "follower"), ("follower", "leader")])
async def test_an_address_that_one_replica_has_just_allocated_is_refused_by_the_other(
    installed: Installed, namespace: str, block: Block, first: str, second: str
) -> None:
    replicas = await by_role(installed)
    networks = f'[{{"name":"one","mac":"{block[0]}"}},{{"name":"two"}}]'
    _, text, _ = await installed.ask(webhook(replicas[first]), review(namespace, "first", networks))
    assert verdict(text).allowed
    _, text, _ = await installed.ask(webhook(replicas[second]), review(namespace, "second", networks))
    response = verdict(text)
    assert (response.allowed, response.status.code) == (False, 403)
    assert f"mac {block[0]} was allocated to Pod {namespace}/first a moment ago" in response.status.message


async def test_a_review_is_handed_on_once_and_a_replica_that_does_not_decide_says_so_to_another(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    replicas = await by_role(installed)
    handed_on = {"Kubemacpool-Forwarded": "1"}
    pair = (await cluster.get(SERVING_PAIR, ConfigMap)).data
    by_a_replica = (b64decode(pair["tls.crt"]), b64decode(pair["tls.key"]))
    before = await installed.figures(replicas["follower"])
    asked = review(namespace, "a")
    status, text, _ = await installed.ask(webhook(replicas["follower"]), asked, handed_on, by_a_replica)
    assert (status, text) == (MISDIRECTED, "not leading\n")
    status, text, _ = await installed.ask(webhook(replicas["leader"]), asked, handed_on, by_a_replica)
    assert status == 200
    assert verdict(text).allowed
    assert (await installed.figures(replicas["follower"])).get(ANSWERED, 0) == before.get(ANSWERED, 0)
    await installed.ask(webhook(replicas["follower"]), review(namespace, "b"))
    assert (await installed.figures(replicas["follower"]))[ANSWERED] == before.get(ANSWERED, 0) + 1


async def test_the_metrics_tell_who_leads_since_when_and_with_how_many_open_addresses(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    await cluster.made(namespace, pod("a"))
    replicas = await by_role(installed)
    lease = await cluster.get(LEASE, Lease)
    shown = {role: await installed.figures(replica) for role, replica in replicas.items()}
    assert {role: figures["kubemacpool_leader"] for role, figures in shown.items()} == {"leader": 1, "follower": 0}
    for figures in shown.values():
        assert figures["kubemacpool_lease_transitions_total"] == lease.spec.lease_transitions
        assert figures["kubemacpool_lease_renewal_age_seconds"] < lease.spec.lease_duration_seconds
    assert shown["leader"]["kubemacpool_lease_reserved_addresses"] > 0
    assert shown["follower"]["kubemacpool_lease_reserved_addresses"] == 0
    vacant = "kubemacpool_without_leader_seconds_total"
    again = {role: await installed.figures(replica) for role, replica in replicas.items()}
    assert {role: figures[vacant] for role, figures in again.items()} == {
        role: figures[vacant] for role, figures in shown.items()
    }
