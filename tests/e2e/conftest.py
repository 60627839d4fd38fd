"""One installation for all tests that do not break it; each test has a namespace and addresses of its own."""

from __future__ import annotations

import itertools
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, NamedTuple

import pytest
from tests.support.cluster_client import RANGE, ClusterClient, ConfigMap
from tests.support.installed import Installed, eventually

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
    from subprocess import CompletedProcess

    from devcluster.installation import ReplicaStatus

    UseRange = Callable[[str, str], Awaitable[None]]

SHIPPED_RANGE: Final = ("02:00:00:00:00:00", "FD:FF:FF:FF:FF:FF")
_numbers = itertools.count(1)


@dataclass(frozen=True)
class Block:
    """65,536 neighbouring addresses that no other test uses."""

    first: int

    def __getitem__(self, index: int) -> str:
        """One of them, as text."""
        return (self.first + index).to_bytes(6, "big").hex(":")


class FreshInstall(NamedTuple):
    """A cluster on which the release manifest was applied twice, and what kubectl said each time."""

    control_plane: ControlPlane
    first: CompletedProcess[str]
    second: CompletedProcess[str]


@pytest.fixture(scope="session")
def fresh_install(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FreshInstall]:
    """A cluster with a node, and the release manifest as a user applies it."""
    spec = ControlPlaneSpec(tmp_path_factory.mktemp("cluster"), nodes=1, ends_with_caller=True)
    with ControlPlane(spec) as control_plane:
        first, second = (control_plane.kubectl("apply", "-f", str(RELEASE_MANIFEST)) for _ in range(2))
        yield FreshInstall(control_plane, first, second)


@pytest.fixture(scope="session")
def installed(fresh_install: FreshInstall) -> Installed:
    """The installation that all tests share: whoever changes it leaves it as it was."""
    installed = Installed(fresh_install.control_plane, RELEASE_MANIFEST)
    installed.sync()
    return installed


@pytest.fixture
async def cluster(installed: Installed) -> AsyncIterator[ClusterClient]:
    """The API server."""
    async with ClusterClient(installed.control_plane) as client:
        yield client


@pytest.fixture
async def namespace(cluster: ClusterClient, request: pytest.FixtureRequest) -> str:
    """A namespace of the test's own."""
    name: str = request.node.name
    label = re.sub(r"[^a-z0-9]+", "-", name.removeprefix("test_").lower())[:48].strip("-")
    unique = f"{label}-{next(_numbers)}"
    await cluster.namespace(unique)
    return unique


@pytest.fixture
def block() -> Block:
    """Addresses inside the shipped range."""
    return Block(0x0A_00_00_00_00_00 + (next(_numbers) << 16))


@pytest.fixture
def block_outside() -> Block:
    """Addresses outside the shipped range."""
    return Block(0xFE_00_00_00_00_00 + (next(_numbers) << 16))


def range_of(installed: Installed, replica: ReplicaStatus) -> str:
    """The range that a replica has taken up last, with its exclusions; empty where it has taken up none."""
    taken_up = [str(line["range"]) for line in installed.log_of(replica, event="range taken up")]
    return taken_up[-1] if taken_up else ""


@pytest.fixture
async def use_range(cluster: ClusterClient, installed: Installed) -> AsyncIterator[UseRange]:
    """Change the range and wait until it is in force; after the test the one before is."""
    before = (await cluster.get(RANGE, ConfigMap)).data

    async def use(start: str, end: str) -> None:
        await cluster.set_range(start, end)

        async def in_force() -> bool:
            if any(range_of(installed, replica) != f"{start}-{end}".lower() for replica in installed.replicas):
                return False
            shown = [await installed.figures(replica) for replica in installed.replicas]
            return all(figures.get("kubemacpool_range_valid") == 1 for figures in shown)

        await eventually(in_force, f"the range {start}-{end} is in force on every replica")

    yield use
    await use(before["RANGE_START"], before["RANGE_END"])
