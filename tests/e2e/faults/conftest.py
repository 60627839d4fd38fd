"""An installation of its own for the tests that break it, on a cluster without nodes; its range is an edited one."""

from __future__ import annotations

from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.installed import Installed, installation

from devcluster.egress import read_table, write_table
from devcluster.forwarder import Forwarder
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Iterator
    from contextlib import AbstractAsyncContextManager

    LateProxy = Callable[[], AbstractAsyncContextManager[None]]

EDITED_RANGE: Final = ("02:B0:00:00:00:00", "02:B0:00:FF:FF:FF")


@pytest.fixture(scope="session")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation that is ready when a test begins, and has to be so when it ends."""
    manifest = tmp_path_factory.mktemp("manifest") / "kubemacpool.yaml"
    text = RELEASE_MANIFEST.read_text(encoding="utf-8")
    for before, after in zip(("02:00:00:00:00:00", "FD:FF:FF:FF:FF:FF"), EDITED_RANGE, strict=True):
        assert text.count(f'"{before}"') == 1
        text = text.replace(f'"{before}"', f'"{after}"')
    manifest.write_text(text, encoding="utf-8")
    with installation(tmp_path_factory.mktemp("fault-cluster"), manifest=manifest) as installed:
        yield installed


@pytest.fixture
async def alone(installed: Installed) -> AsyncIterator[Installed]:
    """The installation with one replica; after the test it has all again."""
    async with installed.alone():
        yield installed


@pytest.fixture
def late_proxy(installed: Installed) -> LateProxy:
    """A kube-proxy that has not heard that the only replica is not ready, and sends it connections all the same."""

    @asynccontextmanager
    async def proxy() -> AsyncIterator[None]:
        service = installed.forward("kubemacpool-service")
        address, port = installed.replica.webhook_url.removeprefix("https://").split(":")
        backends = [(address, int(port))]
        layout = installed.control_plane.layout
        if installed.control_plane.record().egress:  # port 443 is not ours: the API server connects through a table
            # The supervisor writes it again as soon as the replica is ready.
            write_table(layout, read_table(layout) | {f"{service.address}:{service.port}": backends})
            yield
            return
        forwarder = Forwarder(service.service, service.address, service.port)
        await forwarder.set_backends(backends)
        try:
            yield
        finally:
            await forwarder.close()

    return proxy
