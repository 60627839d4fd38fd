"""A cluster of the command line's own kind for the tests of it, and one of the class's for the tests of that."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest
from tests.cluster.verbs import Verbs

from devcluster.controlplane import ControlPlane, ControlPlaneSpec

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(scope="module")
def verbs(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Verbs]:
    """The command line on a state directory of its own, with a cluster that is up."""
    made = Verbs(tmp_path_factory.mktemp("cluster"))
    try:
        made.run("up", check=True)
        yield made
    finally:
        made.run("down")


@pytest.fixture
def nothing_yet(tmp_path: Path) -> Iterator[Verbs]:
    """The command line on a state directory of its own, with no cluster."""
    made = Verbs(tmp_path)
    try:
        yield made
    finally:
        made.run("down")


@pytest.fixture(scope="module")
def control_plane(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ControlPlane]:
    """A control plane with one node that ends with this test run."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("control-plane"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as started:
        yield started


@pytest.fixture
def sleeper() -> Iterator[subprocess.Popen[bytes]]:
    """A process that does nothing until it is killed."""
    with subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"]) as process:
        yield process
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
