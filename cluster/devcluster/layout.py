"""Where a cluster keeps its things, and the record that lets another process find it again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec

from devcluster.errors import ProcessError
from devcluster.files import write_atomically
from devcluster.loopback import HOST, Share
from devcluster.processes import Daemon
from devcluster.realnodes.addresses import NodeNetwork

if TYPE_CHECKING:
    from pathlib import Path


@dataclass(frozen=True, slots=True)
class Layout:
    """The paths under one state directory."""

    state_dir: Path

    @property
    def pki(self) -> Path:
        """Keys and certificates."""
        return self.state_dir / "pki"

    @property
    def run(self) -> Path:
        """Pid files."""
        return self.state_dir / "run"

    @property
    def logs(self) -> Path:
        """One log per process; they stay when the cluster is taken down."""
        return self.state_dir / "logs"

    @property
    def etcd_data(self) -> Path:
        """Etcd's data directory."""
        return self.state_dir / "etcd"

    @property
    def nodes(self) -> Path:
        """What real nodes keep, a directory each."""
        return self.state_dir / "nodes"

    @property
    def images(self) -> Path:
        """Archives of images that were made for the nodes."""
        return self.state_dir / "images"

    @property
    def installation(self) -> Path:
        """What the supervisor is told and what it tells."""
        return self.state_dir / "installation"

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.state_dir / "kubeconfig"

    @property
    def egress(self) -> Path:
        """The API server's EgressSelectorConfiguration."""
        return self.state_dir / "egress.json"

    @property
    def kubectl(self) -> Path:
        """A link to kubectl, for the shell."""
        return self.state_dir / "bin" / "kubectl"

    @property
    def record(self) -> Path:
        """The record, written once the first start has succeeded."""
        return self.state_dir / "cluster.json"

    @property
    def lock(self) -> Path:
        """Held while the cluster is being changed."""
        return self.state_dir / "lock"

    def component_kubeconfig(self, name: str) -> Path:
        """The kubeconfig of one of the cluster's own programs."""
        return self.pki / f"{name}.kubeconfig"

    def daemon(self, name: str) -> Daemon:
        """The place of one process."""
        return Daemon(name, self.run / f"{name}.json", self.logs / f"{name}.log")

    def daemons(self) -> list[Daemon]:
        """Every process that is recorded here, running or not."""
        return [self.daemon(path.stem) for path in sorted(self.run.glob("[!.]*.json"))]

    def replicas(self) -> list[Daemon]:
        """Every replica's process that is recorded here."""
        return [daemon for daemon in self.daemons() if daemon.name.startswith("replica-")]


class Ports(msgspec.Struct, frozen=True):
    """The ports of the cluster's own programs on 127.0.0.1."""

    etcd_client: int
    etcd_peer: int
    kube_apiserver: int
    kube_controller_manager: int
    kube_scheduler: int
    kwok: int

    def all(self) -> tuple[int, ...]:
        """Return every port."""
        return msgspec.structs.astuple(self)


class Record(msgspec.Struct, frozen=True):
    """What has to be known to use, heal or end a cluster that another process started."""

    kubernetes_version: str
    share: Share
    ports: Ports
    binaries: dict[str, str]
    controllers: bool
    apiserver_args: tuple[str, ...]
    egress: bool
    """Whether the API server reaches the cluster IPs through the egress proxy."""
    real_nodes: bool = False
    """Whether the nodes run containers, instead of being simulated."""

    @property
    def network(self) -> NodeNetwork:
        """The addresses of real nodes, their pods and Services."""
        return NodeNetwork(self.share.number)

    @property
    def host(self) -> str:
        """The address on which the API server listens."""
        return self.network.host if self.real_nodes else HOST

    @property
    def service_range(self) -> str:
        """The range of the cluster IPs."""
        return self.network.services if self.real_nodes else self.share.service_range

    @property
    def api_service(self) -> str:
        """The cluster IP of the Service `kubernetes`, the first of the range."""
        return self.network.api_service if self.real_nodes else f"127.{self.share.number}.0.1"

    @property
    def server_url(self) -> str:
        """The API server's URL."""
        return f"https://{self.host}:{self.ports.kube_apiserver}"

    def write(self, layout: Layout) -> None:
        """Make the cluster known."""
        write_atomically(layout.record, msgspec.json.format(msgspec.json.encode(self)))

    @classmethod
    def read(cls, layout: Layout) -> Record | None:
        """Return the record, or None when there is no cluster here (or the start of one was cut short)."""
        try:
            return msgspec.json.decode(layout.record.read_bytes(), type=cls)
        except FileNotFoundError:
            return None
        except msgspec.DecodeError as error:
            message = f"{layout.record} cannot be read ({error}); remove {layout.state_dir}."
            raise ProcessError(message) from error
