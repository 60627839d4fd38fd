"""What the API server opened and did not need yet is not closed under it: a create that picks it up would fail."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import pod
from yarl import URL

from kubemacpool.server.limits import FIRST_REQUEST_SECONDS, SWEEP_SECONDS

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient, Reply
    from tests.support.installed import Installed

pytestmark = pytest.mark.usefixtures("survivors")

AT_ONCE: Final = 40
ESTABLISHED: Final = "01"


def _connections(installed: Installed) -> set[tuple[str, str]]:
    """Both ends of every connection to a webhook, as the kernel writes them."""
    ports = {f"{URL(replica.webhook_url).port:04X}" for replica in installed.replicas}
    lines = [line.split() for line in Path("/proc/net/tcp").read_text("ascii").splitlines()[1:]]
    return {
        (here, there)
        for _, here, there, state, *_ in lines
        if here.rpartition(":")[2] in ports and state == ESTABLISHED
    }


async def test_what_the_api_server_holds_ready_is_not_closed_under_it(
    installed: Installed, cluster: ClusterClient, namespace: str
) -> None:
    """It keeps 25 connections ready for 90 s, of which some were never used."""

    async def burst(name: str) -> list[Reply]:
        pods = (pod(f"{name}-{number}") for number in range(AT_ONCE))
        return await asyncio.gather(*(cluster.create(namespace, each) for each in pods))

    assert [reply.message for reply in await burst("first") if not reply.created] == []
    await asyncio.sleep(SWEEP_SECONDS)
    ready = _connections(installed)
    await asyncio.sleep(FIRST_REQUEST_SECONDS + 2 * SWEEP_SECONDS)
    assert ready - _connections(installed) == set()
    assert [reply.message for reply in await burst("second") if not reply.created] == []
