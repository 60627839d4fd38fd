"""What the API server is trusted by and what we prove ourselves by may be exchanged while we run (real TLS servers)."""

import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path

import pytest
import yaml
from aiohttp import web
from structlog.testing import capture_logs

from kubemacpool.certs.contexts import client_context, server_context
from kubemacpool.certs.issue import KeyPair, ServerNames, issue_authority, issue_serving
from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.kubeconfig import ClusterConfig, load_in_cluster, load_kubeconfig
from kubemacpool.kube.tls import LOOK_SECONDS, RenewedTls
from kubemacpool.ports import ClusterUnavailableError

NOW = datetime.now(UTC)
NAME = "kubernetes.default.svc"
OLD, NEW = issue_authority(NOW), issue_authority(NOW)
Serving = Callable[[KeyPair, int], Awaitable[int]]


class Time:
    """A clock that is moved."""

    def __init__(self) -> None:
        self.time = 0.0

    def now(self) -> float:
        """The time that was set."""
        return self.time


class Cluster:
    """A kubeconfig with files beside it, and one API server after another on the same port."""

    def __init__(self, directory: Path) -> None:
        self.time = Time()
        self.seen: list[str] = []
        self._directory = directory
        self._runner: web.ServerRunner | None = None
        self.port = 0

    def write(self, authority: KeyPair, identity: KeyPair | None = None) -> None:
        """Exchange the authority, and the client certificate where there is one."""
        (self._directory / "ca.crt").write_bytes(authority.certificate_pem)
        if identity is not None:
            (self._directory / "me.crt").write_bytes(identity.certificate_pem)
            (self._directory / "me.key").write_bytes(identity.key_pem)

    def configure(self, **user: str) -> Path:
        """Write the kubeconfig."""
        cluster = {
            "server": f"https://127.0.0.1:{self.port}",
            "certificate-authority": "ca.crt",
            "tls-server-name": NAME,
        }
        path = self._directory / "kubeconfig"
        content = {
            "current-context": "here",
            "contexts": [{"name": "here", "context": {"cluster": "c", "user": "u"}}],
            "clusters": [{"name": "c", "cluster": cluster}],
            "users": [{"name": "u", "user": user}],
        }
        path.write_text(yaml.safe_dump(content))
        return path

    async def serve(self, authority: KeyPair, *, clients_of: KeyPair | None = None) -> None:
        """Put an API server in the place of the one before."""
        await self.stop()
        serving = issue_serving(authority, ServerNames((NAME,)), NOW)
        tls = server_context(
            serving.certificate_pem, serving.key_pem, None if clients_of is None else clients_of.certificate_pem
        )
        self._runner = web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, ssl_context=tls, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]

    async def stop(self) -> None:
        """End it, and every connection with it."""
        if self._runner is not None:
            await self._runner.cleanup()
            self._runner = None

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        shown = request.get_extra_info("peercert")
        self.seen.append(shown["serialNumber"] if shown else "")
        return web.Response(body=b"{}")


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    """A cluster whose API server is signed by the old authority."""
    cluster = Cluster(tmp_path)
    await cluster.serve(OLD)
    cluster.write(OLD)
    yield cluster
    await cluster.stop()


@asynccontextmanager
async def _client(cluster: Cluster, path: Path) -> AsyncIterator[ApiClient]:
    def read() -> ClusterConfig:
        return load_kubeconfig(path, cluster.time)

    async with ApiClient(read(), RenewedTls(read(), read, _tls, cluster.time).context) as client:
        yield client


def _tls(config: ClusterConfig) -> ssl.SSLContext:
    return client_context(config.ca_pem, verify=config.verify, identity=config.identity)


async def test_an_authority_that_was_exchanged_is_trusted_for_new_connections(cluster: Cluster) -> None:
    async with _client(cluster, cluster.configure()) as client:
        assert await client.get("/x") == b"{}"
        await cluster.serve(NEW)
        with pytest.raises(ClusterUnavailableError, match="certificate verify failed"):
            await client.get("/x")
        cluster.write(NEW)
        with pytest.raises(ClusterUnavailableError, match="certificate verify failed"):
            await client.get("/x")
        cluster.time.time += LOOK_SECONDS
        with capture_logs() as logs:
            assert await client.get("/x") == b"{}"
            assert await client.get("/x") == b"{}"
    assert [(line["event"], line["changed"]) for line in logs] == [("changed credentials are taken up", ["authority"])]


async def test_connections_that_are_there_go_on(cluster: Cluster) -> None:
    async with _client(cluster, cluster.configure()) as client:
        assert await client.get("/x") == b"{}"
        cluster.write(NEW)
        assert await client.get("/x") == b"{}"


async def test_a_client_certificate_that_was_exchanged_is_shown(cluster: Cluster) -> None:
    names = ServerNames(("me",))
    first, second = (issue_serving(OLD, names, NOW) for _ in range(2))
    await cluster.serve(OLD, clients_of=OLD)
    cluster.write(OLD, first)
    path = cluster.configure(**{"client-certificate": "me.crt", "client-key": "me.key"})
    async with _client(cluster, path) as client:
        await client.get("/x")
        cluster.write(OLD, second)
        cluster.time.time += LOOK_SECONDS
        with capture_logs() as logs:
            await client.get("/x")
    assert len(set(cluster.seen)) == 2
    assert "" not in cluster.seen
    assert [line["changed"] for line in logs] == [["client certificate"]]


@pytest.mark.parametrize("content", [b"", b"-----BEGIN CERTIFICATE-----\nhalf of it", None])
async def test_what_cannot_be_used_leaves_what_was_there(
    cluster: Cluster, tmp_path: Path, content: bytes | None
) -> None:
    async with _client(cluster, cluster.configure()) as client:
        assert await client.get("/x") == b"{}"
        if content is None:
            (tmp_path / "ca.crt").unlink()
        else:
            (tmp_path / "ca.crt").write_bytes(content)
        await cluster.serve(OLD)
        with capture_logs() as logs:
            for _ in range(3):
                cluster.time.time += LOOK_SECONDS
                assert await client.get("/x") == b"{}"
        assert [line["event"] for line in logs] == ["changed credentials cannot be used, those before stay"]
        cluster.write(NEW)
        await cluster.serve(NEW)
        cluster.time.time += LOOK_SECONDS
        assert await client.get("/x") == b"{}", "it is looked at again"


async def test_a_file_that_was_only_touched_changes_nothing(cluster: Cluster) -> None:
    async with _client(cluster, cluster.configure()) as client:
        assert await client.get("/x") == b"{}"
        cluster.write(OLD)
        cluster.time.time += LOOK_SECONDS
        with capture_logs() as logs:
            assert await client.get("/x") == b"{}"
    assert logs == []


def test_a_link_that_leads_elsewhere_is_noticed(tmp_path: Path) -> None:
    """The kubelet exchanges the directory that the names of a projected volume lead into."""
    for name, authority in (("first", OLD), ("second", NEW)):
        (tmp_path / name).mkdir()
        (tmp_path / name / "ca.crt").write_bytes(authority.certificate_pem)
        (tmp_path / name / "token").write_text("t")
    (tmp_path / "data").symlink_to("first")
    for name in ("ca.crt", "token"):
        (tmp_path / name).symlink_to(f"data/{name}")
    time = Time()
    environ = {"KUBERNETES_SERVICE_HOST": "10.0.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    made: list[bytes | None] = []

    def read() -> ClusterConfig:
        return load_in_cluster(time, environ, tmp_path)

    def make(config: ClusterConfig) -> ssl.SSLContext:
        made.append(config.ca_pem)
        return _tls(config)

    tls = RenewedTls(read(), read, make, time)
    before = tls.context()
    (tmp_path / "next").symlink_to("second")
    (tmp_path / "next").rename(tmp_path / "data")
    time.time += LOOK_SECONDS
    assert tls.context() is not before
    assert made == [OLD.certificate_pem, NEW.certificate_pem]
