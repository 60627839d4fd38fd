"""What a tenant sees who does nothing wrong: the frame of these tests stands."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from tests.abuse.conftest import Elsewhere
    from tests.support.cluster_client import ClusterClient

pytestmark = pytest.mark.usefixtures("survivors")


async def test_two_tenants_are_served(cluster: ClusterClient, namespace: str, elsewhere: Elsewhere) -> None:
    """Each of two tenants gets an address, and not the other's."""
    mine = await cluster.made(namespace, pod("mine"))
    theirs = await cluster.made(await elsewhere("others"), pod("theirs"))
    assert mine.mac != theirs.mac
