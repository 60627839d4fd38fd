"""A hand-over on a cluster where nothing happens to virtual machines."""

from __future__ import annotations

import asyncio
import signal
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import pytest
from tests.support.cluster_client import pod
from tests.support.installed import Installed, eventually, installation, process_of

from kubemacpool.election.leadership import PATIENCE

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster_client import ClusterClient

PROVEN: Final = "ended unseen"
LATER_SECONDS: Final = 15.0


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose replicas may be ended."""
    with installation(tmp_path_factory.mktemp("idle-cluster"), controllers=False, kubevirt=True) as installed:
        yield installed


async def test_an_allocation_that_came_to_nothing_does_not_make_the_next_hand_over_wait_for_kinds_that_nobody_touched(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    leader = await installed.leader()
    (successor,) = await installed.followers()
    # Bookmarks come about a minute after a watch began, and those of the successor are to come later.
    await asyncio.sleep(LATER_SECONDS)
    await installed.kill(successor)
    since = installed.log_ends()
    refused: dict[str, Any] = pod("refused-after-us")
    refused["spec"]["containers"][0]["name"] = "Not_A_Name"
    assert (await cluster.create(namespace, refused)).status == 422
    # This is proven when a bookmark has come for each kind that is idle.

    async def ended() -> bool:
        return any(line["addresses"] for line in installed.log_of(leader, since, event=PROVEN))

    await eventually(ended, "the allocation has ended", within=100.0)
    since = installed.log_ends()
    process_of(leader).send(signal.SIGTERM)

    async def decides() -> bool:
        return bool(installed.log_of(successor, since, event="leading"))

    await eventually(decides, "the other one decides")
    began, ended_ = (
        datetime.fromisoformat(str(installed.log_of(successor, since, event=event)[0]["timestamp"]))
        for event in ("acquired", "leading")
    )
    assert installed.log_of(successor, since, event="the watch is behind, listing afresh") == []
    assert (ended_ - began).total_seconds() < PATIENCE
    await installed.replaced(leader)
