"""Clients and namespaces for the contract tests."""

import time
from collections.abc import AsyncIterator, Callable
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count

import pytest
from tests.support.cutter import Cutter

from devcluster.controlplane import ControlPlane
from devcluster.loopback import HOST
from kubemacpool.certs.contexts import client_context
from kubemacpool.certs.issue import issue_authority
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig, load_kubeconfig

_numbers = count(1)


class MonotonicClock:
    """The machine's own."""

    def now(self) -> float:
        """Seconds since some moment."""
        return time.monotonic()


Connect = Callable[[ClusterConfig], ApiClient]


@pytest.fixture
def connect() -> Connect:
    """Makes a client for a configuration; it has to be entered."""

    def client(config: ClusterConfig) -> ApiClient:
        tls = client_context(config.ca_pem, verify=config.verify, identity=config.identity)
        return ApiClient(config, lambda: tls)

    return client


@pytest.fixture
def admin(control_plane: ControlPlane) -> ClusterConfig:
    """The administrator's configuration."""
    return load_kubeconfig(control_plane.kubeconfig, MonotonicClock())


@pytest.fixture
async def api(admin: ClusterConfig, connect: Connect) -> AsyncIterator[ApiClient]:
    """The API server as the administrator."""
    async with connect(admin) as client:
        yield client


@pytest.fixture
async def cutter(control_plane: ControlPlane) -> AsyncIterator[Cutter]:
    """What stands between `fragile_api` and the API server."""
    async with Cutter((HOST, int(control_plane.server_url.rpartition(":")[2]))) as cutter:
        yield cutter


@pytest.fixture
async def fragile_api(admin: ClusterConfig, cutter: Cutter, connect: Connect) -> AsyncIterator[ApiClient]:
    """The API server as the administrator, over connections that can be cut."""
    async with connect(replace(admin, server=f"https://127.0.0.1:{cutter.port}")) as client:
        yield client


@pytest.fixture(scope="session")
def authority_pem() -> bytes:
    """A certificate authority."""
    return issue_authority(datetime.now(UTC)).certificate_pem


@pytest.fixture
def namespace(control_plane: ControlPlane) -> str:
    """A namespace of the test's own."""
    name = f"contract-{next(_numbers)}"
    control_plane.api.request(
        "POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
    )
    return name
