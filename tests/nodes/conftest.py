"""One cluster of three real nodes for all tests here, with KubeMacPool installed from its release manifest."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.nodes.namespaces import Real

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.errors import SettingError
from devcluster.realnodes import install, needs

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture(scope="session", autouse=True)
def machine() -> None:
    """Real nodes can be had on this machine, or it is said why not."""
    try:
        needs.check(print)
    except SettingError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="session")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Real]:
    """The cluster; whoever breaks something mends it."""
    directory = tmp_path_factory.mktemp("real-nodes")
    with ControlPlane(ControlPlaneSpec(directory, nodes=3, real_nodes=True, ends_with_caller=True)) as plane:
        install.sync(plane, print)
        yield Real(plane)
