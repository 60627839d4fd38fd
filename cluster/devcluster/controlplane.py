"""A control plane of real programs: start it, use it, break it, end it.

It runs as processes of its own that outlive the caller (unless `ends_with_caller`), and is found again by its state
directory. Starting one that runs already heals it: whatever has died is started again on its old port, with the data.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Self

import msgspec

from devcluster import assets, components, kubeconfig, loopback, nodes
from devcluster.api import ApiServer
from devcluster.credentials import write_credentials
from devcluster.egress import EGRESS, configuration
from devcluster.errors import CommandError, ProcessError
from devcluster.etcd import compact, etcd_healthy
from devcluster.files import locked, write_atomically
from devcluster.layout import Layout, Ports, Record
from devcluster.loopback import HOST
from devcluster.processes import ProcessId
from devcluster.realnodes import needs
from devcluster.realnodes.fleet import NETWORKS_MANIFESTS, SWITCH, Fleet, end_all, usable
from devcluster.waiting import Progress, wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence
    from types import TracebackType

START_SECONDS = 60.0
STOP_SECONDS = 10.0
KUBECTL_SECONDS = 120.0
# Tests do not take the share that belongs to the developer's own cluster.
FIRST_TEST_SHARE = loopback.FIRST_SHARE + 1
TOKEN_SECONDS = 24 * 3600
# Told to end, kube-apiserver waits for its watches, which do not end by themselves.
APISERVER_GRACE_SECONDS = 2.0
GUARD = "guard"
# Where webhooks are served; https without a port in the URL.
WEBHOOK_PORT = 443

# In this order they end: who writes first, what is written to last. The supervisor is first, for its replicas' sake.
_STOP_ORDER = (
    "supervisor",
    "kwok",
    "kube-scheduler",
    "kube-controller-manager",
    "kube-apiserver",
    EGRESS,
    "etcd",
)


@dataclass(frozen=True, slots=True)
class ControlPlaneSpec:
    """What a control plane should be.

    `nodes` are simulated by KWOK unless they are `real_nodes`, and need the controllers. Without `controllers` there
    are neither kube-controller-manager nor kube-scheduler, and pods need no ServiceAccount. `first_share` is where the
    search for a free Service range begins. With `egress` the API server reaches the cluster IPs through a proxy, as it
    has to where this user may not listen on the webhooks' port; None means as needed.
    """

    state_dir: Path
    kubernetes_version: str = "1.37"
    nodes: int = 0
    controllers: bool = True
    apiserver_args: tuple[str, ...] = ()
    first_share: int = FIRST_TEST_SHARE
    ends_with_caller: bool = False
    egress: bool | None = None
    real_nodes: bool = False


class ControlPlane:
    """One control plane and its state directory."""

    def __init__(self, spec: ControlPlaneSpec) -> None:
        """Name the control plane; nothing is started."""
        self.spec = spec
        self.layout = Layout(spec.state_dir.absolute())

    def __enter__(self) -> Self:
        """Start the control plane, silently."""
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """End the control plane."""
        self.stop()

    @property
    def kubeconfig(self) -> Path:
        """The administrator's kubeconfig."""
        return self.layout.kubeconfig

    @property
    def server_url(self) -> str:
        """The API server's URL."""
        return self.record().server_url

    @property
    def ca_path(self) -> Path:
        """The certificate of the CA that signed the API server's."""
        return self.layout.pki / "ca.crt"

    @property
    def fleet(self) -> Fleet:
        """The real nodes."""
        return Fleet(self.layout, self.record())

    @property
    def api(self) -> ApiServer:
        """The API server as the administrator."""
        return self._api(self.record())

    def record(self) -> Record:
        """Return the record of the started control plane.

        Raises:
            ProcessError: none was started here.
        """
        record = Record.read(self.layout)
        if record is None:
            message = f"There is no cluster in {self.layout.state_dir}; start one with `make cluster-up`."
            raise ProcessError(message)
        return record

    def running(self) -> bool:
        """Tell whether any of its processes is running."""
        return any(daemon.running() for daemon in self.layout.daemons())

    def start(self, progress: Progress = lambda _: None) -> list[str]:
        """Start the control plane, or what is missing of it, and wait until it can be used.

        Returns:
            The names of the programs that were started.

        Raises:
            ClusterError: it could not be started; what this call had started has been ended again.
        """
        with self._changing("starts or ends the cluster", progress):
            record = Record.read(self.layout)
            if record is None:
                return self._start_anew(progress)
            before = {daemon.name for daemon in self.layout.daemons() if daemon.running()}
            with self._undo(lambda: self._stop_all_but(before)):
                return self._start_missing(record, progress)

    def stop(self) -> bool:
        """End every process and remove everything but the logs; False when there was nothing."""
        if not self.layout.state_dir.is_dir():
            return False
        with self._changing("starts or ends the cluster", lambda _: None):
            something = self.layout.record.exists() or self.running()
            self._clean()
        return something

    def stop_apiserver(self) -> None:
        """End kube-apiserver and wait until its process, and so its port, is gone."""
        self.layout.daemon("kube-apiserver").stop(APISERVER_GRACE_SECONDS)

    def start_apiserver(self, progress: Progress = lambda _: None) -> None:
        """Start kube-apiserver again on the same port, and wait until it is ready."""
        self._start_missing(self.record(), progress, only=("kube-apiserver",))

    def set_nodes(self, count: int, progress: Progress = lambda _: None) -> None:
        """Add or remove nodes, and start KWOK for the first that is simulated."""
        record = self.record()
        if record.real_nodes:
            Fleet(self.layout, record).reconcile(self._api(record), count, progress)
            return
        if count and "kwok" not in record.binaries:
            home = assets.built(assets.kwok(), progress)
            record = msgspec.structs.replace(record, binaries=record.binaries | {"kwok": str(home / "kwok")})
            record.write(self.layout)
        self._reconcile_nodes(record, count, progress)

    def kubectl(
        self, *arguments: str, stdin: str | None = None, check: bool = True, timeout: float = KUBECTL_SECONDS
    ) -> subprocess.CompletedProcess[str]:
        """Run kubectl as the administrator.

        Raises:
            CommandError: it failed, and `check` is not False.
        """
        answer = subprocess.run(
            [self.layout.kubectl, f"--kubeconfig={self.kubeconfig}", *arguments],
            input=stdin,
            capture_output=True,
            text=True,
            check=False,
            timeout=timeout,
        )
        if check and answer.returncode != 0:
            raise CommandError(f"kubectl {' '.join(arguments)}", answer.returncode, answer.stderr or answer.stdout)
        return answer

    def etcd_compact(self) -> None:
        """Compact etcd up to now, so that a watch from an older resourceVersion is told that it is gone (410)."""
        compact(self.record().ports.etcd_client)

    def service_account_token(self, namespace: str, name: str, seconds: int = TOKEN_SECONDS) -> str:
        """Ask for a token of a ServiceAccount."""
        answer = self.api.request(
            "POST",
            f"/api/v1/namespaces/{namespace}/serviceaccounts/{name}/token",
            {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": {"expirationSeconds": seconds}},
        )
        return msgspec.json.decode(answer, type=_TokenRequest).status.token

    def service_account_kubeconfig(self, namespace: str, name: str, path: Path) -> Path:
        """Write a kubeconfig as a ServiceAccount, with its token in a file beside it (`PATH.token`)."""
        token_file = path.absolute().with_name(f"{path.name}.token")
        write_atomically(token_file, self.service_account_token(namespace, name).encode())
        kubeconfig.write_with_token_file(path, self.server_url, self.ca_path, token_file, namespace)
        return path

    def _start_anew(self, progress: Progress) -> list[str]:
        real = self.spec.real_nodes
        if real:
            needs.check(progress)
        binaries = assets.control_plane_binaries(
            self.spec.kubernetes_version, controllers=self._controllers, progress=progress
        )
        if real:
            binaries |= assets.node_binaries(self.spec.kubernetes_version, progress)
        elif self.spec.nodes:
            binaries["kwok"] = assets.built(assets.kwok(), progress) / "kwok"
        # What a start that was cut short has left.
        self._clean(keep_logs=False)
        with self._undo(self._clean):
            if self.spec.ends_with_caller:
                caller = ProcessId.current()
                who = (str(caller.pid), str(caller.started), caller.boot)
                self.start_python(GUARD, "devcluster.guard", *who, str(self.layout.state_dir))
            claimed = loopback.claim_any(self.spec.first_share, usable if real else lambda _: True)
            try:
                ports = Ports(*claimed.share.free_ports(len(Ports.__struct_fields__)))
                record = Record(
                    kubernetes_version=self.spec.kubernetes_version,
                    share=claimed.share,
                    ports=ports,
                    binaries={name: str(path) for name, path in binaries.items()},
                    controllers=self._controllers,
                    apiserver_args=self.spec.apiserver_args,
                    egress=not real and self._egress,
                    real_nodes=real,
                )
                if record.egress:
                    write_atomically(self.layout.egress, msgspec.json.encode(configuration(record)))
                write_credentials(self.layout, record)
                self.layout.kubectl.parent.mkdir(exist_ok=True)
                self.layout.kubectl.symlink_to(record.binaries["kubectl"])
                self._ensure("etcd", components.etcd(self.layout, record), ports.all()[:2], hold=claimed.fileno())
            finally:
                claimed.release()
            started = ["etcd", *self._start_missing(record, progress)]
            if real:
                self._prepare_networks()
                started += Fleet(self.layout, record).reconcile(self._api(record), self.spec.nodes, progress)
            else:
                self._reconcile_nodes(record, self.spec.nodes, progress)
            # Last, so that a start that was cut short is not taken for a cluster.
            record.write(self.layout)
        return started

    def start_python(self, name: str, module: str, *arguments: str) -> None:
        """Start a module of this package as a daemon of the cluster."""
        source = str(Path(__file__).resolve().parents[1])
        environment = _environment() | {"PYTHONPATH": source, "PYTHONUNBUFFERED": "1"}
        self.layout.daemon(name).start([sys.executable, "-m", module, *arguments], environment)

    def _reconcile_nodes(self, record: Record, count: int, progress: Progress) -> None:
        if count:
            self._ensure("kwok", components.kwok(self.layout, record), (record.ports.kwok,))
        api = self._api(record)
        nodes.reconcile(api, count)
        if count:
            wait_until(
                lambda: nodes.ready(api) == count,
                what=f"{count} simulated nodes to be ready",
                within=START_SECONDS,
                needs=[self.layout.daemon("kwok")],
                progress=progress,
            )

    def _api(self, record: Record) -> ApiServer:
        return ApiServer(record.server_url, self.ca_path, self.layout.pki / "admin.crt", self.layout.pki / "admin.key")

    @property
    def _controllers(self) -> bool:
        return self.spec.controllers or self.spec.nodes > 0

    @property
    def _egress(self) -> bool:
        return loopback.privileged(WEBHOOK_PORT) if self.spec.egress is None else self.spec.egress

    def _prepare_networks(self) -> None:
        """Give what attaches pods to further networks its kind and its permissions."""
        for manifest in NETWORKS_MANIFESTS:
            self.kubectl("apply", "-f", str(manifest))

    def _start_missing(self, record: Record, progress: Progress, only: Sequence[str] = ()) -> list[str]:
        """Start what is not running, each on its recorded ports, and wait until it is ready."""
        ports = record.ports
        plan: list[tuple[str, Callable[[Layout, Record], list[str]], tuple[int, ...]]] = [
            ("etcd", components.etcd, (ports.etcd_client, ports.etcd_peer)),
            ("kube-apiserver", components.kube_apiserver, (ports.kube_apiserver,)),
        ]
        if record.controllers:
            plan += [
                ("kube-controller-manager", components.kube_controller_manager, (ports.kube_controller_manager,)),
                ("kube-scheduler", components.kube_scheduler, (ports.kube_scheduler,)),
            ]
        if "kwok" in record.binaries:
            plan.append(("kwok", components.kwok, (ports.kwok,)))
        started = [SWITCH] if self._start_switch(record) else []
        for name, arguments, own_ports in plan:
            if only and name not in only:
                continue
            claimed = loopback.claim(record.share.number) if name == "etcd" else None
            try:
                hold = claimed.fileno() if claimed else None
                host = record.host if name == "kube-apiserver" else HOST
                if self._ensure(name, arguments(self.layout, record), own_ports, hold=hold, host=host):
                    started.append(name)
            finally:
                if claimed:
                    claimed.release()
            if name == "etcd" and record.egress and self.layout.daemon(EGRESS).running() is None:
                self.start_python(EGRESS, "devcluster.egress", str(self.layout.state_dir), record.share.egress_socket)
            if name in {"etcd", "kube-apiserver"}:
                self._await(name, record, progress)
        if record.controllers and not only:
            self._await_service_accounts(record, progress)
            started += self._start_real_nodes(record, progress)
        return started

    def _start_switch(self, record: Record) -> bool:
        return record.real_nodes and Fleet(self.layout, record).start_switch()

    def _start_real_nodes(self, record: Record, progress: Progress) -> list[str]:
        """Start those that there are but that do not run."""
        if not record.real_nodes:
            return []
        fleet = Fleet(self.layout, record)
        return fleet.reconcile(self._api(record), len(fleet.names()), progress)

    def _ensure(
        self, name: str, arguments: Sequence[str], ports: Sequence[int], hold: int | None = None, host: str = HOST
    ) -> bool:
        daemon = self.layout.daemon(name)
        if daemon.running():
            return False
        for port in ports:
            if not loopback.port_is_free(host, port):
                message = (
                    f"{name} cannot be started: another program listens on its port {host}:{port}. "
                    "End that program, or run `make cluster-down` and `make cluster-up` for a cluster on other ports."
                )
                raise ProcessError(message)
        daemon.start(arguments, _environment(), hold=hold)
        return True

    def _await(self, name: str, record: Record, progress: Progress) -> None:
        api = self._api(record)
        check = (lambda: etcd_healthy(record.ports.etcd_client)) if name == "etcd" else api.ready
        wait_until(
            check,
            what=f"{name} to be ready",
            within=START_SECONDS,
            needs=[self.layout.daemon(name)],
            progress=progress,
        )

    def _await_service_accounts(self, record: Record, progress: Progress) -> None:
        """Wait for the first thing that pods need of kube-controller-manager."""
        api = self._api(record)
        wait_until(
            lambda: api.find("/api/v1/namespaces/default/serviceaccounts/default", dict) is not None,
            what="kube-controller-manager to make the default ServiceAccount",
            within=START_SECONDS,
            needs=[self.layout.daemon("kube-controller-manager"), self.layout.daemon("kube-scheduler")],
            progress=progress,
        )

    def _clean(self, *, keep_logs: bool = True) -> None:
        """End all that is recorded here, and remove everything but the lock (and the logs)."""
        self._stop_all_but(set())
        kept = {self.layout.lock.name} | ({self.layout.logs.name} if keep_logs else set())
        for path in self.layout.state_dir.iterdir():
            if path.name in kept:
                continue
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink()

    def _stop_all_but(self, kept: set[str]) -> None:
        end_all(self.layout, kept)
        recorded = {daemon.name: daemon for daemon in self.layout.daemons()}
        # Processes without a place in the order are replicas that a killed supervisor has left.
        order = [*_STOP_ORDER[:1], *(name for name in recorded if name not in _STOP_ORDER), *_STOP_ORDER[1:]]
        for name in order:
            if name in recorded and name not in kept:
                recorded[name].stop(APISERVER_GRACE_SECONDS if name == "kube-apiserver" else STOP_SECONDS)

    @contextmanager
    def _changing(self, reason: str, progress: Progress) -> Iterator[None]:
        self.layout.state_dir.mkdir(parents=True, exist_ok=True, mode=0o700)
        with locked(self.layout.lock, reason, progress):
            yield

    @contextmanager
    def _undo(self, action: Callable[[], None]) -> Iterator[None]:
        try:
            yield
        except BaseException:
            action()
            raise


class _Token(msgspec.Struct):
    token: str


class _TokenRequest(msgspec.Struct):
    status: _Token


def _environment() -> dict[str, str]:
    """Give the programs what they need and nothing that would change them, such as a proxy."""
    return {name: os.environ[name] for name in ("HOME", "PATH", "TMPDIR") if name in os.environ}
