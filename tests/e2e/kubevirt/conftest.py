"""One installation for all tests of virtual machines, on a cluster with KubeVirt's kinds and somebody who plays it.

For a test of virtual machines:

- `vms` handles the machines of the test's own namespace as a user does (`tests.support.machines`), with those of
  `tests.support.machine_manifests`; `machines_in` gives the same for another namespace, which it makes.
- `kubevirt` plays virt-controller in these namespaces (`tests.support.virt_controller`): without it, no machine runs.
- `installed`, `cluster`, `namespace`, `block` and `use_range` are those of tests/e2e.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.support.installed import Installed, eventually
from tests.support.machines import Machines
from tests.support.virt_controller import VirtController

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Mapping

    from tests.support.cluster_client import ClusterClient

    MachinesIn = Callable[[str], Awaitable[Machines]]
    Collisions = Callable[[Mapping[str, float]], Awaitable[None]]


@pytest.fixture(scope="session")
def installed(with_kubevirt: Installed) -> Installed:
    """An installation that follows virtual machines; whoever changes it leaves it as it was."""
    return with_kubevirt


@pytest.fixture
def vms(cluster: ClusterClient, namespace: str) -> Machines:
    """The virtual machines of the test's own namespace."""
    return Machines(cluster, namespace)


@pytest.fixture
async def kubevirt(cluster: ClusterClient, namespace: str) -> AsyncIterator[VirtController]:
    """Whoever plays virt-controller, in the test's namespace and in those of `machines_in`."""
    async with VirtController(cluster, namespace) as actor:
        yield actor


@pytest.fixture
def machines_in(cluster: ClusterClient, kubevirt: VirtController, namespace: str) -> MachinesIn:
    """Make another namespace, called like the test's with this at its end."""

    async def make(suffix: str) -> Machines:
        name = f"{namespace}-{suffix}"
        await cluster.namespace(name)
        kubevirt.follow(name)
        return Machines(cluster, name)

    return make


@pytest.fixture
def collisions(installed: Installed) -> Collisions:
    """Wait until every replica reports exactly these for their addresses: by address, how many objects share it."""

    async def wait(expected: Mapping[str, float]) -> None:
        wanted = {f"kmp_mac_collisions{{mac={mac}}}": count for mac, count in expected.items()}

        async def reported() -> bool:
            shown = [await installed.figures(replica) for replica in installed.replicas]
            return all(figures and {name: figures.get(name, 0) for name in wanted} == wanted for figures in shown)

        await eventually(reported, f"the collisions {wanted} are reported")

    return wait
