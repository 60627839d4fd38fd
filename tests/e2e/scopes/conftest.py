"""One installation with a node and the kinds of KubeVirt, for all tests of who is served and what is told."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.e2e.installed import Installed
from tests.e2e.scopes.kinds import KINDS, Kind

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

CRDS: Final = Path(__file__).parents[1] / "kubevirt" / "crds.yaml"


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The installation: whoever changes it leaves it as it was."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("scopes-cluster"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        control_plane.kubectl("apply", "-f", str(CRDS))
        control_plane.kubectl("wait", "--for=condition=Established", "--timeout=30s", "-f", str(CRDS))
        installed = Installed(control_plane, RELEASE_MANIFEST)
        installed.sync()
        yield installed


@pytest.fixture(params=KINDS, ids=str)
def kind(request: pytest.FixtureRequest) -> Kind:
    """Each of the kinds that we give addresses to."""
    found: Kind = request.param
    return found
