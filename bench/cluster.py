"""Pod creates on a real control plane: without a webhook, with the least that a webhook can be, and with ours.

The floor only says yes. The other, `patch`, gives every pod the same addresses: since it is the API server that applies
the patch, no webhook that gives addresses can cost less.

`ours` is one replica, for which every write and every byte of the others is missing; `three` are three replicas, of
which the API server asks the leader, or one that hands every review on, or each in turn.

As a rule the control plane runs without controllers and scheduler. They would work for every pod beside the API server,
on the same cores, whatever the webhook; without them the webhook's share of a create is at its largest, and best seen.
"""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import msgspec
from bench.children import Others, cpu_seconds
from bench.errors import BenchError
from bench.frame import turns
from bench.installing import Installation, Route
from bench.loading import Target, Volume, send
from bench.plane import KUBERNETES, started
from bench.pods import PODS, Kind, delete_all, write_body
from bench.release import installations
from bench.results import Cluster, Ratio, Sample, Series, Writes, find, quietest, ratio, sample
from bench.rivals import AGAINST
from bench.writes import Writing

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from bench.programs import Programs
    from bench.rivals import Rivals

    from devcluster.controlplane import ControlPlane

CLIENTS = (1, 16)
# One client creates pods at less than half the rate of many, and more steadily.
SHARE_OF_ONE_CLIENT = 4
WARMUP_PODS = 48
# A create takes milliseconds; a run that is slower than this is broken.
LEAST_PODS_PER_SECOND = 5
# Three renewals of the Lease.
IDLE_SECONDS = 4.0
DAEMONS = {"apiserver": "kube-apiserver", "etcd": "etcd"}
CONTROLLERS = {"controllers": "kube-controller-manager", "scheduler": "kube-scheduler"}


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured, and on what control plane.

    Attributes:
        pods: that the many clients create at a time.
        rounds: how often everything is measured.
        repeats: of what was disturbed.
        settle: seconds for the watches to have seen everything, after pods were created or removed.
        controllers: whether controllers and scheduler run.
    """

    pods: int
    rounds: int
    repeats: int
    settle: float
    controllers: bool


@dataclass(frozen=True, slots=True)
class _Case:
    """What is installed, what the pods ask for, and which replica is asked."""

    name: str
    installed: str
    kind: Kind = Kind.NETWORKS
    route: Route = Route.LEADER


NONE, NONE_PLAIN = _Case("none", "none"), _Case("none, plain", "none", Kind.PLAIN)
FLOOR, PATCH = _Case("floor", "floor"), _Case("patch", "patch")
OURS, OURS_PLAIN = _Case("ours", "ours"), _Case("ours, plain", "ours", Kind.PLAIN)
LEADER = _Case("three: leader", "three")
FOLLOWER = _Case("three: follower", "three", route=Route.FOLLOWER)
SPREAD = _Case("three: spread", "three", route=Route.SPREAD)
EXPLICIT = _Case("three: explicit", "three", Kind.EXPLICIT)
CASES = (NONE, FLOOR, PATCH, OURS, LEADER, FOLLOWER, SPREAD, EXPLICIT, NONE_PLAIN, OURS_PLAIN)
IDLE = "three"
COMPARED = (
    ("floor / none", FLOOR, NONE),
    ("ours / none", OURS, NONE),
    ("ours / floor", OURS, FLOOR),
    ("patch / floor", PATCH, FLOOR),
    ("ours / patch", OURS, PATCH),
    ("ours, plain / none, plain", OURS_PLAIN, NONE_PLAIN),
    ("three: leader / ours", LEADER, OURS),
    ("three: follower / three: leader", FOLLOWER, LEADER),
    ("three: spread / three: leader", SPREAD, LEADER),
    ("three: spread / patch", SPREAD, PATCH),
    ("three: explicit / three: leader", EXPLICIT, LEADER),
)


def measure(
    programs: Programs, directory: Path, extent: Extent, rivals: Rivals, progress: Callable[[str], None]
) -> Cluster:
    """Measure every case in every round, in turns."""
    cases, compared = cases_with(rivals)
    with started(directory, progress, controllers=extent.controllers) as control_plane:
        installed = installations(control_plane, programs.floor, directory, rivals)
        bench = _Bench(control_plane, programs.load, directory, installed, extent.settle, progress)
        series = {(case, clients): Series(case.name, clients, []) for case in cases for clients in CLIENTS}
        for number in range(extent.rounds):
            bench.round(series, extent, f"round {number + 1} of {extent.rounds}", number)
    all_series = list(series.values())
    return Cluster(
        KUBERNETES,
        extent.controllers,
        extent.pods,
        bench.pod_bytes,
        all_series,
        _ratios(all_series, compared),
        bench.idle,
    )


class _Bench:
    """A control plane, and everything that may be installed on it."""

    def __init__(
        self,
        control_plane: ControlPlane,
        load: Path,
        directory: Path,
        installed: Sequence[Installation],
        settle: float,
        progress: Callable[[str], None],
    ) -> None:
        self._control_plane = control_plane
        self._settle = settle
        self._load = load
        self._progress = progress
        self._bodies = {kind: write_body(directory, kind) for kind in Kind}
        self._daemons = daemons(control_plane)
        self._installations = {each.name: each for each in installed}
        self.idle: list[Writes] = []

    @property
    def pod_bytes(self) -> int:
        """The size of a pod with two networks, as it is sent."""
        return self._bodies[Kind.NETWORKS].stat().st_size

    def round(self, series: dict[tuple[_Case, int], Series], extent: Extent, name: str, number: int) -> None:
        """Measure every case once; which comes first changes from round to round."""
        for installed in turns(list(self._installations), number):
            installation = self._installations[installed]
            runs = [key for key in series if key[0].installed == installed]
            route = None
            with installation.installed():
                for case, clients in runs[:: 1 if number % 2 == 0 else -1]:
                    if case.route is not route:
                        route = case.route
                        installation.turn_to(route)
                        self._create(installation, Kind.NETWORKS, max(CLIENTS), WARMUP_PODS)
                    self._progress(f"{name}: {case.name}, {clients} clients")
                    pods = extent.pods if clients > 1 else max(extent.pods // SHARE_OF_ONE_CLIENT, 1)
                    attempt = partial(self._create, installation, case.kind, clients, pods)
                    series[case, clients].samples.append(quietest(attempt, extent.repeats))
                if installed == IDLE:
                    self._progress(f"{name}: {installed}, idle")
                    writing = Writing(self._control_plane.api)
                    time.sleep(IDLE_SECONDS)
                    self.idle.append(writing.so_far())

    def _create(self, installation: Installation, kind: Kind, clients: int, pods: int) -> Sample:
        asked_before = installation.asked()
        watched = self._daemons | installation.processes()
        writing = Writing(self._control_plane.api)
        others = Others()
        cpu_before = {name: sum(map(cpu_seconds, pids)) for name, pids in watched.items()}
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
                text="" if kind is Kind.PLAIN else installation.mark,
            ),
            self._bodies[kind],
            Volume(connections=clients, seconds=pods / LEAST_PODS_PER_SECOND, requests=pods),
        )
        # So that following the watch is part of a pod's CPU time.
        time.sleep(self._settle)
        used = {name: sum(map(cpu_seconds, pids)) - cpu_before[name] for name, pids in watched.items()}
        measured = msgspec.structs.replace(sample(load, used, others), writes=writing.so_far())
        asked = [now - before for now, before in zip(installation.asked(), asked_before, strict=True)]
        check_asked(installation.name, asked, installation.shares(), 0 if kind is Kind.PLAIN else pods)
        delete_all(self._control_plane.api)
        time.sleep(self._settle)
        return measured


def check_asked(name: str, asked: Sequence[int], shares: Sequence[float], pods: int) -> None:
    """Make sure that each replica was asked about as many pods as its share is, one more or less.

    Args:
        name: what was measured.
        asked: about how many pods each of the replicas was asked.
        shares: what share of them it should have been asked about.
        pods: how many there were to be asked about.

    Raises:
        BenchError: it was otherwise.
    """
    far_off = any(abs(got - share * pods) >= 1 for got, share in zip(asked, shares, strict=True))
    if far_off or (asked and sum(asked) != pods):
        message = (
            f"{name}: the replicas were asked about {list(asked)} pods of {pods}: what was measured does not count."
        )
        raise BenchError(message)


def daemons(control_plane: ControlPlane) -> dict[str, list[int]]:
    """The pids of the control plane's own programs, by short names."""
    spec = control_plane.spec
    names = DAEMONS | (CONTROLLERS if spec.controllers else {}) | ({"kwok": "kwok"} if spec.nodes else {})
    return {short: [_pid(control_plane, name)] for short, name in names.items()}


def cases_with(rivals: Rivals) -> tuple[list[_Case], list[tuple[str, _Case, _Case]]]:
    """All cases, and what is compared with what; with those that were named on the command line."""
    cases, compared = list(CASES), list(COMPARED)
    if rivals.against is not None:
        networks, plain = _Case(AGAINST, AGAINST), _Case(f"{AGAINST}, plain", AGAINST, Kind.PLAIN)
        cases += [networks, plain]
        compared += [("ours / against", OURS, networks), ("ours, plain / against, plain", OURS_PLAIN, plain)]
    for other in rivals.beside:
        case = _Case(other.name, other.name)
        cases.append(case)
        compared += [(f"{other.name} / floor", case, FLOOR), (f"ours / {other.name}", OURS, case)]
    return cases, compared


def _pid(control_plane: ControlPlane, name: str) -> int:
    process = control_plane.layout.daemon(name).running()
    if process is None:
        message = f"{name} ended; its log is {control_plane.layout.daemon(name).log_file}."
        raise BenchError(message)
    return process.pid


def _ratios(series: list[Series], compared: Sequence[tuple[str, _Case, _Case]]) -> list[Ratio]:
    return [
        ratio(name, find(series, ours.name, clients), find(series, theirs.name, clients))
        for name, ours, theirs in compared
        for clients in CLIENTS
    ]
