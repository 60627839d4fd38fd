"""What the suites share: one real control plane for all tests that need one."""

from __future__ import annotations

import signal
from typing import TYPE_CHECKING

import pytest
from tests.support.installed import Installed, installation
from tests.support.scheduling import SuiteScheduling

from devcluster.controlplane import ControlPlane, ControlPlaneSpec

if TYPE_CHECKING:
    from collections.abc import Iterator

    from xdist.remote import Producer


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SuiteScheduling:
    """Keep each worker to one suite at a time."""
    return SuiteScheduling(config, log)


def pytest_configure() -> None:
    """Heed Ctrl-C: a shell starts a background job with it ignored, and so would be whatever the tests interrupt."""
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane of real programs, without nodes. Tests keep to namespaces and names of their own."""
    spec = ControlPlaneSpec(
        state_dir=tmp_path_factory.mktemp("control-plane"),
        # PodTemplates are read from etcd itself, so that a compaction is felt at once. Nobody else uses them.
        apiserver_args=("--watch-cache-sizes=podtemplates#0",),
        ends_with_caller=True,
    )
    with ControlPlane(spec) as plane:
        yield plane


@pytest.fixture(scope="session")
def with_kubevirt(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """The installation of all suites in which there are machines; whoever changes it leaves it as it was."""
    with installation(tmp_path_factory.mktemp("with-kubevirt"), nodes=2, kubevirt=True) as installed:
        yield installed
