"""Pods from their creation to their removal, with controllers, scheduler and simulated nodes: what a replica pays.

A ReplicaSet makes all pods at once; the scheduler binds them, KWOK lets them run, and when the ReplicaSet is deleted
the garbage collector removes them. So a replica observes every change that a pod goes through in a cluster, most of
which concern nobody. The CPU time of the leader and of the followers is told apart.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from bench.children import Others, cpu_seconds
from bench.cluster import daemons
from bench.errors import BenchError
from bench.frame import turns
from bench.installing import NAMESPACE, Bare, Installation
from bench.ours import Ours
from bench.plane import KUBERNETES, started
from bench.pods import PODS, Kind, write_body
from bench.release import installed_beside, pod_configuration
from bench.results import Life, Nodes, Passage
from bench.rivals import AGAINST

from devcluster.deployment import DEPLOYMENT
from devcluster.deployment import NAMESPACE as OUR_NAMESPACE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from bench.rivals import Rivals

    from devcluster.controlplane import ControlPlane

REPLICAS = 2
NODES = 3
SETS = f"/apis/apps/v1/namespaces/{NAMESPACE}/replicasets"
SET = "load"
OURS = "ours"
WEBHOOK, LEADER, FOLLOWERS = "webhook", "leader", "followers"
KINDS = {"plain": Kind.PLAIN, "networks": Kind.NETWORKS}
IDLE_SECONDS = 4.0
POLL_SECONDS = 0.1
# Far more than any machine needs for a pod.
SECONDS_A_POD = 1.0
LEAST_SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        pods: how many there are at a time.
        rounds: how often everything is measured.
        settle: seconds for the watches to have seen everything.
    """

    pods: int
    rounds: int
    settle: float


def measure(directory: Path, extent: Extent, rivals: Rivals, progress: Callable[[str], None]) -> Nodes:
    """Measure every case in every round, in turns."""
    with started(directory, progress, controllers=True, nodes=NODES) as control_plane:
        bench = _Bench(control_plane, directory, extent, rivals, progress)
        series = {
            (installation.name, kind): Life(f"{installation.name}, {kind}", [])
            for installation in bench.installations
            for kind in KINDS
        }
        idle = {each.name: Life(each.name, []) for each in bench.installations}
        for number in range(extent.rounds):
            bench.round(series, idle, f"round {number + 1} of {extent.rounds}", number)
    return Nodes(KUBERNETES, NODES, REPLICAS, list(series.values()), list(idle.values()))


class _Bench:
    """A control plane with nodes, and everything that may be installed on it."""

    def __init__(
        self,
        control_plane: ControlPlane,
        directory: Path,
        extent: Extent,
        rivals: Rivals,
        progress: Callable[[str], None],
    ) -> None:
        self._control_plane = control_plane
        self._api = control_plane.api
        self._extent = extent
        self._progress = progress
        self._daemons = daemons(control_plane)
        self._templates = {
            name: msgspec.json.decode(write_body(directory, kind).read_bytes(), type=dict[str, object])
            for name, kind in KINDS.items()
        }
        configuration = pod_configuration(control_plane)
        # Its pods would be played by KWOK; the real ones are ours.
        scale = ("scale", f"deployment/{DEPLOYMENT}", f"--namespace={OUR_NAMESPACE}", "--replicas=0")
        control_plane.kubectl(*scale)
        self.installations: list[Installation] = [
            Bare(self._api),
            Ours(OURS, REPLICAS, control_plane, directory, configuration, parts=1),
            *installed_beside(control_plane, rivals, configuration),
        ]
        if rivals.against is not None:
            against = Ours(AGAINST, REPLICAS, control_plane, directory, configuration, parts=1, checkout=rivals.against)
            self.installations.append(against)

    def round(self, series: dict[tuple[str, str], Life], idle: dict[str, Life], name: str, number: int) -> None:
        """Measure every case once; the order changes from round to round."""
        for installation in turns(self.installations, number):
            with installation.installed():
                self._progress(f"{name}: {installation.name}, idle")
                idle[installation.name].passages.append(self._idle(installation))
                for kind in turns(list(KINDS), number):
                    self._progress(f"{name}: {installation.name}, {kind}")
                    series[installation.name, kind].passages.append(self._passage(installation, kind))

    def _idle(self, installation: Installation) -> Passage:
        before, others = self._cpu(installation), Others()
        time.sleep(IDLE_SECONDS)
        used = self._since(before, installation)
        return Passage(0, 0, 0, {name: each * 1000 / IDLE_SECONDS for name, each in used.items()}, others.share(0))

    def _passage(self, installation: Installation, kind: str) -> Passage:
        pods = self._extent.pods
        before, others, begun = self._cpu(installation), Others(), time.monotonic()
        self._api.request("POST", SETS, self._set(kind))
        try:
            self._await(lambda: self._ready() == pods, f"{pods} pods to run", begun)
            running = time.monotonic()
        finally:
            # In the background: the garbage collector removes the pods, as it does after every `kubectl delete`.
            self._api.request("DELETE", f"{SETS}/{SET}?propagationPolicy=Background")
        self._await(lambda: not self._any_pod(), "all pods to be gone", running)
        gone = time.monotonic()
        time.sleep(self._extent.settle)
        used = self._since(before, installation)
        share = others.share(sum(used.values()))
        return Passage(
            pods, running - begun, gone - running, {name: each * 1000 / pods for name, each in used.items()}, share
        )

    def _cpu(self, installation: Installation) -> dict[str, float]:
        processes = dict(installation.processes())
        if FOLLOWERS in processes:
            processes[LEADER] = processes.pop(WEBHOOK)
        return {name: sum(map(cpu_seconds, pids)) for name, pids in sorted(processes.items(), reverse=True)} | {
            name: sum(map(cpu_seconds, pids)) for name, pids in self._daemons.items()
        }

    def _since(self, before: dict[str, float], installation: Installation) -> dict[str, float]:
        return {name: seconds - before[name] for name, seconds in self._cpu(installation).items()}

    def _set(self, kind: str) -> dict[str, object]:
        template = self._templates[kind]
        metadata = msgspec.convert(template["metadata"], dict[str, object])
        labels = {"app": SET}
        template_metadata = {"labels": labels, "annotations": metadata["annotations"]}
        spec = msgspec.convert(template["spec"], dict[str, object])
        return {
            "apiVersion": "apps/v1",
            "kind": "ReplicaSet",
            "metadata": {"name": SET},
            "spec": {
                "replicas": self._extent.pods,
                "selector": {"matchLabels": labels},
                "template": {"metadata": template_metadata, "spec": spec},
            },
        }

    def _ready(self) -> int:
        return self._api.get(f"{SETS}/{SET}", _Set).status.ready_replicas

    def _any_pod(self) -> bool:
        return bool(self._api.get(f"{PODS}?limit=1", _List).items)

    def _await(self, condition: Callable[[], bool], what: str, since: float) -> None:
        within = max(LEAST_SECONDS, self._extent.pods * SECONDS_A_POD)
        while not condition():
            if time.monotonic() - since > within:
                message = f"Waited {within:.0f} s in vain for {what}."
                raise BenchError(message)
            time.sleep(POLL_SECONDS)


class _Status(msgspec.Struct, rename="camel"):
    ready_replicas: int = 0


class _Set(msgspec.Struct):
    status: _Status = msgspec.field(default_factory=_Status)


class _List(msgspec.Struct):
    items: list[object] | None
