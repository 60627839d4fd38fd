"""One installation with a node and the kinds of KubeVirt, for all tests of who is served and what is told."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.scopes.kinds import KINDS, Kind
from tests.support.installed import Installed

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.kubevirt import serve_kinds
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.support.cluster_client import ClusterClient


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The installation: whoever changes it leaves it as it was."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("scopes-cluster"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        serve_kinds(control_plane)
        installed = Installed(control_plane, RELEASE_MANIFEST)
        installed.sync()
        yield installed


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
