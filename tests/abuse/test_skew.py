"""Replicas on machines whose clocks are wrong."""

from __future__ import annotations

import asyncio
import base64
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Final

import msgspec
import pytest
from tests.abuse.test_trust import bundles_of, served_under
from tests.support.cluster_client import pod
from tests.support.credentials import spoil

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

SKEWED: Final = Path(__file__).with_name("skewed_program.py")


@pytest.fixture
async def skewed(installed: Installed) -> AsyncIterator[None]:
    """The replicas run on machines whose clocks are 400 days ahead."""
    plan = installed._plan()
    arguments = [sys.executable, str(SKEWED), *plan.arguments[1:]]
    installed._follow(msgspec.structs.replace(plan, revision=plan.revision + 1, arguments=arguments))
    await asyncio.to_thread(installed.wait_ready)
    yield
    installed._follow(msgspec.structs.replace(plan, revision=plan.revision + 2))
    await asyncio.to_thread(installed.wait_ready)


@pytest.mark.usefixtures("skewed")
async def test_replicas_whose_clocks_are_wrong_issue_by_the_api_servers(
    cluster: ClusterClient, installed: Installed, namespace: str
) -> None:
    """Else what they issue would not be valid yet for anybody, and what others have issued not any more for them."""
    (before,) = set(await bundles_of(cluster))
    ends = installed.log_ends()
    await spoil(cluster, "both Secrets are deleted")
    await installed.logged(ends, event="a new certificate is served")
    (after,) = set(await bundles_of(cluster))
    assert served_under(before) in base64.b64decode(after)
    assert (await cluster.made(namespace, pod("served"))).mac
    assert all("the clock of this replica differs" in text for text in await installed.readiness())
