"""Pod creates on a real control plane: without a webhook, with the least that a webhook can be, and with ours.

The floor only says yes. The other, `patch`, gives every pod the same addresses: since it is the API server that applies
the patch, no webhook that gives addresses can cost less.

As a rule the control plane runs without controllers and scheduler. They would work for every pod beside the API server,
on the same cores, whatever the webhook; without them the webhook's share of a create is at its largest, and best seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.children import Others, cpu_seconds
from bench.errors import BenchError
from bench.installing import NAMESPACE, Installation, installations
from bench.loading import Target, Volume, send
from bench.results import Cluster, Ratio, Sample, Series, find, quietest, ratio, sample

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.settings import DEFAULT_KUBERNETES_VERSION

if TYPE_CHECKING:
    from collections.abc import Callable

    from bench.programs import Programs

POD = Path(__file__).with_name("pod.json")
NETWORKS = "k8s.v1.cni.cncf.io/networks"
CLIENTS = (1, 16)
# One client creates pods at less than half the rate of many, and more steadily.
SHARE_OF_ONE_CLIENT = 4
WARMUP_PODS = 48
# A create takes milliseconds; a run that is slower than this is broken.
LEAST_PODS_PER_SECOND = 5
# For the watches to have seen everything, so that following them is part of a pod's CPU time.
SETTLE_SECONDS = 0.5
DELETE_SECONDS = 120.0
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
# With one worker, the default, removing the pods would take longer than creating them.
APISERVER_ARGUMENTS = ("--delete-collection-workers=16",)
DAEMONS = {"apiserver": "kube-apiserver", "etcd": "etcd"}
CONTROLLERS = {"controllers": "kube-controller-manager", "scheduler": "kube-scheduler"}


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured: pods that the many clients create at a time, rounds, repeats; and on what control plane."""

    pods: int
    rounds: int
    repeats: int
    controllers: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """What is installed, and whether the pods ask for networks; plain ones do not have the annotation."""

    installed: str
    networks: bool = True

    @property
    def name(self) -> str:
        return self.installed if self.networks else f"{self.installed}, plain"


NONE, NONE_PLAIN = _Case("none"), _Case("none", networks=False)
FLOOR, PATCH = _Case("floor"), _Case("patch")
OURS, OURS_PLAIN = _Case("ours"), _Case("ours", networks=False)
CASES = (NONE, FLOOR, PATCH, OURS, NONE_PLAIN, OURS_PLAIN)
COMPARED = (
    ("floor / none", FLOOR, NONE),
    ("ours / none", OURS, NONE),
    ("ours / floor", OURS, FLOOR),
    ("patch / floor", PATCH, FLOOR),
    ("ours / patch", OURS, PATCH),
    ("ours, plain / none, plain", OURS_PLAIN, NONE_PLAIN),
)


def measure(programs: Programs, directory: Path, extent: Extent, progress: Callable[[str], None]) -> Cluster:
    """Measure every case in every round, in turns."""
    spec = ControlPlaneSpec(
        directory / "controlplane",
        DEFAULT_KUBERNETES_VERSION,
        controllers=extent.controllers,
        apiserver_args=APISERVER_ARGUMENTS,
        ends_with_caller=True,
    )
    control_plane = ControlPlane(spec)
    # What a killed run has left.
    control_plane.stop()
    progress("starting a control plane")
    control_plane.start(progress)
    try:
        bench = _Bench(control_plane, programs, directory, progress)
        series = {(case, clients): Series(case.name, clients, []) for case in CASES for clients in CLIENTS}
        for number in range(extent.rounds):
            bench.round(series, extent, f"round {number + 1} of {extent.rounds}", number)
    finally:
        control_plane.stop()
    all_series = list(series.values())
    return Cluster(
        DEFAULT_KUBERNETES_VERSION, extent.controllers, extent.pods, bench.pod_bytes, all_series, _ratios(all_series)
    )


class _Bench:
    """A control plane, and everything that may be installed on it."""

    def __init__(
        self, control_plane: ControlPlane, programs: Programs, directory: Path, progress: Callable[[str], None]
    ) -> None:
        self._control_plane = control_plane
        self._load = programs.load
        self._progress = progress
        self._bodies = {networks: _body(directory, networks=networks) for networks in (True, False)}
        daemons = DAEMONS | (CONTROLLERS if control_plane.spec.controllers else {})
        self._daemons = {short: _pid(control_plane, name) for short, name in daemons.items()}
        self._installations = {each.name: each for each in installations(control_plane, programs.floor, directory)}

    @property
    def pod_bytes(self) -> int:
        """The size of a pod with two networks, as it is sent."""
        return self._bodies[True].stat().st_size

    def round(self, series: dict[tuple[_Case, int], Series], extent: Extent, name: str, number: int) -> None:
        """Measure every case once; which comes first changes from round to round."""
        order = list(self._installations)
        turn = number % len(order)
        for installed in order[turn:] + order[:turn]:
            installation = self._installations[installed]
            runs = [key for key in series if key[0].installed == installed]
            with installation.installed():
                self._create(installation, networks=True, clients=max(CLIENTS), pods=WARMUP_PODS)
                for case, clients in runs[:: 1 if number % 2 == 0 else -1]:
                    self._progress(f"{name}: {case.name}, {clients} clients")
                    pods = extent.pods if clients > 1 else max(extent.pods // SHARE_OF_ONE_CLIENT, 1)
                    attempt = partial(self._create, installation, networks=case.networks, clients=clients, pods=pods)
                    series[case, clients].samples.append(quietest(attempt, extent.repeats))

    def _create(self, installation: Installation, *, networks: bool, clients: int, pods: int) -> Sample:
        asked = installation.asked()
        watched = self._daemons | installation.processes()
        others = Others()
        before = {name: cpu_seconds(pid) for name, pid in watched.items()}
        pki = self._control_plane.layout.pki
        load = send(
            self._load,
            Target(
                address=self._control_plane.server_url.removeprefix("https://"),
                path=PODS,
                ca=str(self._control_plane.ca_path),
                server_name="127.0.0.1",
                certificate=str(pki / "admin.crt"),
                key=str(pki / "admin.key"),
                status=201,
                text=installation.mark if networks else "",
            ),
            self._bodies[networks],
            Volume(connections=clients, seconds=pods / LEAST_PODS_PER_SECOND, requests=pods),
        )
        time.sleep(SETTLE_SECONDS)
        used = {name: cpu_seconds(pid) - before[name] for name, pid in watched.items()}
        installation.check_asked(asked, pods if networks else 0)
        measured = sample(load, used, others)
        self._delete()
        return measured

    def _delete(self) -> None:
        """Remove every pod, and wait until none is left."""
        api = self._control_plane.api
        until = time.monotonic() + DELETE_SECONDS
        while time.monotonic() < until:
            # What one call has not managed in the time of a request, the next one does.
            api.request("DELETE", f"{PODS}?gracePeriodSeconds=0&timeoutSeconds=5&limit=500")
            if not api.get(f"{PODS}?limit=1", _List).items:
                time.sleep(SETTLE_SECONDS)
                return
        message = f"The pods of namespace {NAMESPACE} were not gone after {DELETE_SECONDS:.0f} s."
        raise BenchError(message)


class _List(msgspec.Struct):
    items: list[object] | None


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


class _Pod(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    metadata: _Metadata
    spec: msgspec.Raw


def _body(directory: Path, *, networks: bool) -> Path:
    """Write the pod as clients send it, with or without the annotation."""
    pod = msgspec.json.decode(POD.read_bytes(), type=_Pod)
    if not networks:
        del pod.metadata.annotations[NETWORKS]
    # Without the line breaks that make the file readable.
    spec = msgspec.json.encode(msgspec.json.decode(pod.spec))
    path = directory / f"pod-{'with' if networks else 'without'}-networks.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(pod, spec=msgspec.Raw(spec))))
    return path


def _pid(control_plane: ControlPlane, name: str) -> int:
    process = control_plane.layout.daemon(name).running()
    if process is None:
        message = f"{name} ended; its log is {control_plane.layout.daemon(name).log_file}."
        raise BenchError(message)
    return process.pid


def _ratios(series: list[Series]) -> list[Ratio]:
    return [
        ratio(name, find(series, ours.name, clients), find(series, theirs.name, clients))
        for name, ours, theirs in COMPARED
        for clients in CLIENTS
    ]
