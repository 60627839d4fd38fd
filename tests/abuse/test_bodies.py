"""Bodies that never end: what they may take of a replica's memory, and of its service."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.abuse.crowding import Crowd
from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

pytestmark = pytest.mark.usefixtures("survivors")

MEBIBYTE: Final = 1024 * 1024
BOUND: Final = 64
"""MiB that all bodies together may take."""
SOURCES: Final = tuple(f"127.0.8.{number}" for number in range(1, 9))


def _resident(pid: int | None) -> float:
    """MiB of a process that are in memory."""
    found = re.search(r"VmRSS:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text("utf-8"))
    assert found is not None
    return int(found[1]) / 1024


@pytest.mark.parametrize(("number", "overhead"), [(40, 50), (400, 120)])
async def test_bodies_that_never_end_take_little_memory(
    installed: Installed, cluster: ClusterClient, namespace: str, number: int, overhead: int
) -> None:
    """Beside the bound of all bodies there are the buffers of each connection; others are served meanwhile."""
    leader = await installed.leader()
    before = _resident(leader.pid)
    most = before
    async with Crowd(leader.webhook_url, SOURCES) as crowd:
        sending = asyncio.create_task(crowd.send_bodies(number, 8 * MEBIBYTE))
        for each in range(40):
            await cluster.made(namespace, pod(f"pod-{each}"))
            most = max(most, _resident(leader.pid))
            await asyncio.sleep(0.1)
        sending.cancel()
    assert most - before < BOUND + overhead
