"""Somebody on the network who is neither the API server nor a replica asks the webhook."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import pod
from tests.support.reviews import review, verdict, webhook

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

FORWARDED = {"Kubemacpool-Forwarded": "1"}

pytestmark = pytest.mark.usefixtures("survivors")


async def test_a_forged_forward_is_refused_wherever_it_is_sent(installed: Installed, namespace: str) -> None:
    """Only a replica hands reviews on, and it proves that it is one."""
    for replica in installed.replicas:
        status, text, _ = await installed.ask(webhook(replica), review(namespace, "forged"), FORWARDED)
        assert status == 403
        assert "Kubemacpool-Forwarded" in text
        assert "certificate" in text
    assert f"kubemacpool_in_flight_addresses{{namespace={namespace}}}" not in await installed.figures()


async def test_replicas_hand_reviews_to_each_other_all_the_same(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    (follower, *_) = await installed.followers()
    counter = "kubemacpool_forwarded_reviews_total{outcome=answered}"
    before = (await installed.figures(follower))[counter]
    _, text, _ = await installed.ask(webhook(follower), review(namespace, "asked-there", dry_run=True))
    assert verdict(text).allowed
    assert (await installed.figures(follower))[counter] == before + 1
    assert (await cluster.made(namespace, pod("asked-anywhere"))).mac
