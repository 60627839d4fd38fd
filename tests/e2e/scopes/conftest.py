"""One installation with a node and the kinds of KubeVirt, for all tests of who is served and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.scopes.kinds import KINDS, Kind

if TYPE_CHECKING:
    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed


@pytest.fixture(scope="session")
def installed(with_kubevirt: Installed) -> Installed:
    """The installation: whoever changes it leaves it as it was."""
    return with_kubevirt


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the kinds that we give addresses to."""
    found: Kind = request.param
    return found


@pytest.fixture
async def ignored(cluster: ClusterClient, namespace: str) -> str:
    """A namespace that is left alone, for both kinds."""
    name = f"{namespace}-ignored"
    await cluster.namespace(name, {each.webhook: "ignore" for each in KINDS})
    return name
