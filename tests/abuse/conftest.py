"""One installation for all who try to break it: a tenant with a namespace of their own, and everybody else.

For a test from outside:

- `namespace` is the tenant's; `elsewhere` makes namespaces of others, whose service must not suffer.
- `vms` and `kubevirt` are those of tests/e2e/kubevirt, in the tenant's namespace; `machines_in` gives others theirs.
- `installed`, `cluster`, `block` and `use_range` are those of tests/e2e.
- `survivors` makes sure at the end of a test that no replica has ended: that is never the price of anything.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from tests.e2e.conftest import block, block_outside, cluster, namespace, use_range
from tests.e2e.kubevirt.conftest import collisions, kubevirt, machines_in, vms

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable

    from tests.support.cluster_client import ClusterClient
    from tests.support.installed import Installed

    Elsewhere = Callable[[str], Awaitable[str]]

__all__ = [
    "block",
    "block_outside",
    "cluster",
    "collisions",
    "kubevirt",
    "machines_in",
    "namespace",
    "use_range",
    "vms",
]


@pytest.fixture(scope="session")
def installed(with_kubevirt: Installed) -> Installed:
    """An installation that follows virtual machines; whoever changes it leaves it as it was."""
    return with_kubevirt


@pytest.fixture
async def survivors(installed: Installed) -> AsyncIterator[None]:
    """The processes that served before the test serve after it."""
    before = installed.processes
    yield
    assert installed.processes == before


@pytest.fixture
def elsewhere(cluster: ClusterClient, namespace: str) -> Elsewhere:
    """Make the namespace of somebody else, called like the tenant's with this at its end."""

    async def make(suffix: str) -> str:
        name = f"{namespace}-{suffix}"
        await cluster.namespace(name)
        return name

    return make
