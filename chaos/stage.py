"""A control plane with the release manifest's replicas, every way to and from them leading through what can be cut."""

from __future__ import annotations

import asyncio
import signal
from typing import TYPE_CHECKING, Self

import aiohttp
import msgspec
from tests.support.cutter import Cutter
from tests.support.metrics import figures_of

from chaos.cluster import NAMESPACE, Cluster
from chaos.proxying import ServiceProxy
from devcluster import kubeconfig
from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.egress import write_table
from devcluster.errors import ClusterError
from devcluster.installation import read_plan, read_status, write_plan
from devcluster.kubevirt import serve_kinds
from devcluster.loopback import HOST
from devcluster.processes import ProcessId
from devcluster.scraping import Scraper
from devcluster.settings import RELEASE_MANIFEST
from devcluster.sync import Installation

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path
    from types import TracebackType

    from devcluster.deployment import Forward
    from devcluster.installation import ReplicaStatus

    Progress = Callable[[str], None]

WEBHOOK_TIMEOUT_SECONDS = 10  # as the manifest has it
REQUEST_TIMEOUT_SECONDS = 12
# An admission that began may be persisted until the API server gives up on its request; twice that is enough, and short
# enough to wait for.
WAIT_SECONDS = 24
COOL_DOWN_SECONDS = 2
SHIPPED_RANGE = ("02:00:00:00:00:00", "FD:FF:FF:FF:FF:FF")
# So small that addresses are used again within a minute or two, and larger than all that can be in flight (10,000).
RANGE = ("02:00:00:00:00:00", "02:00:00:00:3F:FF")
SERVICE = "kubemacpool-service"
# Every certificate some dozen times in an hour, the authority as well; an exchange of it takes two overlaps at most.
ROTATING = {
    "CA_ROTATE_INTERVAL": "2m",
    "CA_OVERLAP_INTERVAL": "40s",
    "CERT_ROTATE_INTERVAL": "45s",
    "CERT_OVERLAP_INTERVAL": "15s",
}
_NOTHING_MORE: Mapping[str, str] = {}
LISTEN_SECONDS = 10.0
POLL_SECONDS = 0.05
# Where the egress proxy of the API server finds the Service, on machines where nobody may listen on port 443.
UNPRIVILEGED_PORT = 8443


class Stage:
    """Everything that runs, for as long as the block lasts."""

    def __init__(
        self,
        directory: Path,
        replicas: int,
        seed: int,
        progress: Progress,
        environment: Mapping[str, str] = _NOTHING_MORE,
    ) -> None:
        """Start nothing yet; `environment` is set for the replicas beside the usual one."""
        self.proxy = ServiceProxy(self._ready, seed)
        self.to_peers: dict[int, Cutter] = {}
        """By webhook port: the way from other replicas to this one."""
        self.to_api_server: dict[int, Cutter] = {}
        """By webhook port: the way from this replica to the API server."""
        self.control_plane = ControlPlane(
            ControlPlaneSpec(
                directory / "controlplane",
                controllers=False,
                apiserver_args=(f"--request-timeout={REQUEST_TIMEOUT_SECONDS}s",),
                ends_with_caller=True,
            )
        )
        self.cluster: Cluster
        self._directory = directory
        self.wanted = replicas
        self._progress = progress
        self._environment = environment
        self._installation = Installation(self.control_plane)
        self.scraper = Scraper(self.control_plane)
        """Who may read the metrics."""
        self._following: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        """Start the control plane, install, and stand between everything.

        Raises:
            ClusterError: something does not start.
        """
        self._directory.mkdir(parents=True, exist_ok=True)
        await asyncio.to_thread(self.control_plane.stop)  # what a killed run has left
        self._progress("starting a control plane")
        try:
            await asyncio.to_thread(self.control_plane.start, self._progress)
            await asyncio.to_thread(serve_kinds, self.control_plane)
            self.cluster = await Cluster(self.control_plane).__aenter__()
            await self._install()
            answer = await self.cluster.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
            self._progress(f"namespace {NAMESPACE}: {answer.status}")
        except BaseException:
            await self._end()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End everything that was started."""
        await self._end()

    def replicas(self) -> list[ReplicaStatus]:
        """Every replica as it is now."""
        status = read_status(self.control_plane.layout)
        return [] if status is None else status.replicas

    def ready_replicas(self) -> dict[int, ReplicaStatus]:
        """Those that take traffic, by webhook port."""
        return {port_of(replica): replica for replica in self.replicas() if replica.state == "ready"}

    async def leader(self) -> int | None:
        """Webhook port of the leader; None while nobody does, as far as the Lease says."""
        endpoint = (await self.cluster.lease()).endpoint
        return int(endpoint.rpartition(":")[2]) if endpoint else None

    def process(self, port: int) -> ProcessId | None:
        """The process of a replica."""
        pid = next((replica.pid for replica in self.replicas() if port_of(replica) == port), None)
        return None if pid is None else ProcessId.of(pid)

    def roll(self) -> int:
        """Have every replica replaced by a new one, as `kubectl rollout restart` does; returns the new revision."""
        plan = read_plan(self.control_plane.layout)
        if plan is None:
            message = "Nothing is installed any more."
            raise ClusterError(message)
        write_plan(self.control_plane.layout, msgspec.structs.replace(plan, revision=plan.revision + 1))
        return plan.revision + 1

    def settled(self, revision: int) -> bool:
        """Tell whether this revision runs with all its replicas ready, and no other."""
        status = read_status(self.control_plane.layout)
        return status is not None and status.settled(revision)

    async def metrics(self, replica: ReplicaStatus) -> dict[str, float]:
        """The replica's figures, named like `kubemacpool_addresses{state=held}`."""
        timeout = aiohttp.ClientTimeout(total=10)
        headers = await asyncio.to_thread(lambda: self.scraper.headers)
        url = f"{replica.metrics_url}/metrics"
        async with self.cluster.session.get(url, headers=headers, ssl=False, timeout=timeout) as answer:
            text = await answer.text()
            answer.raise_for_status()
        return figures_of(text)

    def webhook_urls(self) -> list[str]:
        """Where the replicas answer reviews, without the Service."""
        return [replica.webhook_url for replica in self.ready_replicas().values()]

    @property
    def strangers_address(self) -> str:
        """From where somebody calls who is neither the API server nor a replica."""
        return f"127.{self.control_plane.record().share.number}.66.6"

    def _ready(self) -> frozenset[int]:
        return frozenset(self.ready_replicas())

    async def _install(self) -> None:
        record = self.control_plane.record()
        number = record.share.number
        # One address stands for every replica towards the others, another for the API server; ports tell them apart.
        peers, gateway = f"127.{number}.255.254", f"127.{number}.0.1"
        kubeconfigs = self._directory / "kubeconfigs"
        for port in record.share.ports:
            self.to_peers[port] = Cutter((HOST, port))
            self.to_api_server[port] = Cutter((HOST, record.ports.kube_apiserver))
            await self.to_peers[port].listen(peers, port)
            await self.to_api_server[port].listen(gateway, port)
            kubeconfig.write_with_token_file(
                kubeconfigs / f"{port}.kubeconfig",
                f"https://{gateway}:{port}",
                self.control_plane.ca_path,
                self.control_plane.layout.installation / "token",
                "kubemacpool-system",
            )
        self._progress(f"installing {self.wanted} replicas")
        environment = {
            "POD_IP": peers,
            "KUBEMACPOOL_WAIT_TIME": str(WAIT_SECONDS),
            "KUBEMACPOOL_COOL_DOWN": str(COOL_DOWN_SECONDS),
            "KUBEMACPOOL_LOG_LEVEL": "debug",
            **self._environment,
        }
        await asyncio.to_thread(
            lambda: self._installation.sync(
                manifest=self._manifest(),
                environment=environment,
                arguments=("--kubeconfig", f"{kubeconfigs}/$(KUBEMACPOOL_WEBHOOK_PORT).kubeconfig"),
            )
        )
        await self._stand_in(self._take_service(), egress=record.egress)

    def _manifest(self) -> Path:
        """The release manifest with another range and number of replicas."""
        text = RELEASE_MANIFEST.read_text(encoding="utf-8")
        changes = [(f'"{old}"', f'"{new}"') for old, new in zip(SHIPPED_RANGE, RANGE, strict=True)]
        for old, new in [*changes, ("\n  replicas: 2 ", f"\n  replicas: {self.wanted} ")]:
            if text.count(old) != 1:
                message = f"{RELEASE_MANIFEST} has {old.strip()} not once but {text.count(old)} times."
                raise ClusterError(message)
            text = text.replace(old, new)
        path = self._directory / "kubemacpool.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    def _take_service(self) -> Forward:
        """Have the supervisor forward nothing any more, and return what it did for the webhook."""
        plan = read_plan(self.control_plane.layout)
        if plan is None:
            message = "The installation has no plan."
            raise ClusterError(message)
        (forward,) = [forward for forward in plan.forwards if forward.service == SERVICE]
        write_plan(self.control_plane.layout, msgspec.structs.replace(plan, forwards=[]))
        return forward

    async def _stand_in(self, forward: Forward, *, egress: bool) -> None:
        """Listen for the Service as soon as the supervisor does not any more."""
        address, port = forward.address, UNPRIVILEGED_PORT if egress else forward.port
        async with asyncio.timeout(LISTEN_SECONDS):
            while True:
                try:
                    await self.proxy.listen(address, port)
                    break
                except OSError:
                    await asyncio.sleep(POLL_SECONDS)
        self._following = asyncio.create_task(self.proxy.follow())
        async with asyncio.timeout(LISTEN_SECONDS):
            while len(self.proxy.endpoints) < self.wanted:  # noqa: ASYNC110 (other processes set no event)
                await asyncio.sleep(POLL_SECONDS)
        if egress:  # written last: the supervisor has emptied it
            write_table(
                self.control_plane.layout, {f"{forward.address}:{forward.port}": [(forward.address, UNPRIVILEGED_PORT)]}
            )

    async def _end(self) -> None:
        if self._following is not None:
            self._following.cancel()
        for replica in self.replicas():
            # A process that is stopped cannot end.
            process = None if replica.pid is None else ProcessId.of(replica.pid)
            if process is not None:
                process.send(signal.SIGCONT)
        await self.proxy.close()
        for relay in (*self.to_peers.values(), *self.to_api_server.values()):
            await relay.close()
        if hasattr(self, "cluster"):
            await self.cluster.__aexit__()
        await asyncio.to_thread(self.control_plane.stop)


def port_of(replica: ReplicaStatus) -> int:
    """The port of a replica's webhook."""
    return int(replica.webhook_url.rpartition(":")[2])
