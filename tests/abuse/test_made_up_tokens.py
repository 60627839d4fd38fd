"""Somebody on the network makes up tokens for the port of the metrics, as many as they like, from many addresses."""

from __future__ import annotations

import asyncio
from collections import Counter
from typing import TYPE_CHECKING, Final

import aiohttp
import pytest
from prometheus_client.parser import text_string_to_metric_families
from tests.support.cluster_client import together

from devcluster.scraping import NAME, NAMESPACE
from kubemacpool.server.access import OF_ONE_AT_ONCE, QUESTIONS_A_SECOND, QUESTIONS_AT_ONCE

if TYPE_CHECKING:
    from collections.abc import Awaitable

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

    from devcluster.installation import ReplicaStatus

GUESSES: Final = 600
ADDRESSES: Final = 20
SHORT: Final = aiohttp.ClientTimeout(total=10)


async def _guess(replica: ReplicaStatus, number: int, source: str) -> int:
    """The status of one request with a token that nobody has, from an address of theirs."""
    connector = aiohttp.TCPConnector(local_addr=(source, 0), ssl=False)
    headers = {"Authorization": f"Bearer made-up-{number}"}
    async with (
        aiohttp.ClientSession(connector=connector, timeout=SHORT) as session,
        session.get(f"{replica.metrics_url}/metrics", headers=headers) as answer,
    ):
        return answer.status


async def _token_reviews(cluster: ClusterClient) -> float:
    """How many tokens the API server has been asked about."""
    reply = await cluster.request("GET", "/metrics")
    return sum(
        sample.value
        for family in text_string_to_metric_families(reply.body.decode())
        for sample in family.samples
        if sample.name == "apiserver_request_total" and sample.labels["resource"] == "tokenreviews"
    )


@pytest.mark.usefixtures("survivors")
async def test_the_api_server_is_asked_about_few_of_them_and_scrapers_do_not_notice(
    cluster: ClusterClient, installed: Installed
) -> None:
    """Neither with a token that was shown before, nor with one that has just been exchanged."""
    replica = installed.replicas[0]
    assert (await installed.figures(replica))["kubemacpool_range_valid"] == 1
    share = installed.control_plane.record().share.number
    before, began = await _token_reviews(cluster), asyncio.get_running_loop().time()

    def guesses(number: int) -> list[Awaitable[int]]:
        return [_guess(replica, each, f"127.{share}.66.{1 + each % ADDRESSES}") for each in range(number)]

    guessing = asyncio.create_task(together(guesses(GUESSES)))
    answered = 0
    while not guessing.done():
        assert (await installed.figures(replica))["kubemacpool_range_valid"] == 1
        answered += 1
    found = Counter(await guessing)
    assert answered > 1
    assert set(found) == {401, 503}
    passed = asyncio.get_running_loop().time() - began
    asked = await _token_reviews(cluster) - before
    assert OF_ONE_AT_ONCE <= found[401] <= asked <= QUESTIONS_AT_ONCE + QUESTIONS_A_SECOND * passed + 1
    exchanged = await asyncio.to_thread(installed.control_plane.service_account_token, NAMESPACE, NAME)
    status, *_ = await installed.ask(f"{replica.metrics_url}/metrics", headers={"Authorization": f"Bearer {exchanged}"})
    assert status == 200
