"""Virtual machines in great number: what they cost a replica, and what their restart, all at once, costs the cluster.

A replica is started again and again: with nothing in the cluster, with virtual machines, and with their instances and
launcher pods as well. Then all are stopped and started while it serves. Neither controllers nor KubeVirt run: the kinds
are there, and `bench.virtual` does what virt-controller would.
"""

from __future__ import annotations

import time
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import msgspec
from bench.asking import figures, is_ready
from bench.children import Child, Others, memory_mib, running
from bench.errors import BenchError
from bench.installing import TAKES_EFFECT_SECONDS, configured
from bench.ours import LEADS, Launch, launches
from bench.plane import KUBERNETES, started
from bench.release import apply_release
from bench.results import Machines, Population, Start, Storm, Writes
from bench.virtual import INSTANCES, MACHINES, VirtController, addresses
from bench.writes import Writing

from devcluster.kubevirt import serve_kinds
from devcluster.scraping import Scraper
from kubemacpool.election.timing import RENEWAL_SECONDS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

NOTHING, STOPPED, RUNNING = "nothing", "stopped virtual machines", "running virtual machines"
READY_SECONDS = 120.0
POLL_SECONDS = 0.01
# Three renewals of the Lease.
IDLE_SECONDS = 4.0
IN_FLIGHT = "kubemacpool_addresses{state=in_flight}"
HELD = "kubemacpool_addresses{state=held}"
# Our ServiceAccount may not write these: whoever does is the stand-in.
OF_THE_STAND_IN = frozenset({"pods", *(path.rpartition("/")[2] for path in (MACHINES, INSTANCES))})


@dataclass(frozen=True, slots=True)
class Extent:
    """How much is measured.

    Attributes:
        machines: how many virtual machines there are.
        rounds: how often a replica is started with each population.
        settle: seconds for the watches to have seen everything, after all were started anew.
    """

    machines: int
    rounds: int
    settle: float


def measure(directory: Path, extent: Extent, progress: Callable[[str], None]) -> Machines:
    """Measure starts with every population, and then one storm."""
    directory.mkdir(parents=True, exist_ok=True)
    with started(directory, progress) as control_plane:
        serve_kinds(control_plane)
        configuration = apply_release(control_plane)
        (launch,) = launches(control_plane, "machines", 1, directory)
        with configured(control_plane.api, configuration):
            return _Bench(control_plane, launch, extent, progress).run()


class _Bench:
    """A control plane with the kinds of KubeVirt, and a replica that can be started."""

    def __init__(
        self, control_plane: ControlPlane, launch: Launch, extent: Extent, progress: Callable[[str], None]
    ) -> None:
        self._api = control_plane.api
        self._launch = launch
        self._scraper = Scraper(control_plane)
        self._extent = extent
        self._progress = progress
        self._virt = VirtController(control_plane)

    def run(self) -> Machines:
        """Measure everything, in this order."""
        number = self._extent.machines
        populations = [self._starts(NOTHING)]
        with self._replica() as child:
            self._progress(f"creating {number} virtual machines")
            self._virt.make(number)
            # What it has allocated and not seen would be in doubt to the next one for minutes.
            self._await(child, lambda: self._figure(IN_FLIGHT) == 0, "see all that it had allocated", READY_SECONDS)
        populations.append(self._starts(STOPPED))
        with self._replica():
            self._progress(f"starting {number} virtual machines")
            self._virt.start()
        populations.append(self._starts(RUNNING))
        with self._replica() as child:
            self._progress("idle")
            writing = Writing(self._api)
            time.sleep(IDLE_SECONDS)
            idle = of_others(writing.so_far())
            self._progress(f"restarting {number} virtual machines")
            storm = self._storm(child)
        return Machines(KUBERNETES, number, self._virt.sizes(), populations, idle, storm)

    def _starts(self, name: str) -> Population:
        starts = []
        for number in range(self._extent.rounds):
            self._progress(f"round {number + 1} of {self._extent.rounds}: start with {name}")
            starts.append(self._start())
        return Population(name, starts)

    def _start(self) -> Start:
        """Start a replica and end it again."""
        others = Others()
        begun = time.monotonic()
        launch = self._launch
        with running("the replica", launch.command, launch.log, launch.environment) as child:
            self._await(child, lambda: is_ready(launch.probes), "be ready", READY_SECONDS)
            seconds = time.monotonic() - begun
            cpu = child.cpu_seconds()
            share = others.share(cpu)
            self._await(child, lambda: self._figure(LEADS) == 1, "decide", TAKES_EFFECT_SECONDS)
            now, peak = memory_mib(child.pid)
            held = round(self._figure(HELD))
        return Start(seconds, cpu, now, peak, held, share)

    @contextmanager
    def _replica(self) -> Iterator[Child]:
        """Run a leader for as long as the block lasts."""
        launch = self._launch
        with running("the replica", launch.command, launch.log, launch.environment) as child:
            self._await(child, lambda: is_ready(launch.probes), "be ready", READY_SECONDS)
            self._await(child, lambda: self._figure(LEADS) == 1, "decide", TAKES_EFFECT_SECONDS)
            yield child

    def _storm(self, child: Child) -> Storm:
        """Stop and start all virtual machines, as fast as the API server goes."""
        before = addresses(self._virt.machines())
        memory_before, _ = memory_mib(child.pid)
        writing = Writing(self._api)
        self._virt.stop()
        self._virt.start()
        time.sleep(self._extent.settle)
        writes = of_others(writing.so_far())
        memory_after, peak = memory_mib(child.pid)
        after = addresses(self._virt.machines())
        return Storm(
            writes,
            renewals_at_most(writes.seconds),
            sum(before[name] != after.get(name) for name in before),
            round(self._figure(HELD)),
            memory_before,
            memory_after,
            peak,
        )

    def _figure(self, name: str) -> float:
        """A figure of the replica's; -1 where it does not tell."""
        try:
            return figures(self._launch.metrics, self._scraper).get(name, -1.0)
        except OSError:
            return -1.0

    def _await(self, child: Child, condition: Callable[[], bool], what: str, within: float) -> None:
        until = time.monotonic() + within
        while not condition():
            child.check()
            if time.monotonic() > until:
                message = f"{child.name} did not {what} within {within:.0f} s; see {child.log}."
                raise BenchError(message)
            time.sleep(POLL_SECONDS)


def renewals_at_most(seconds: float) -> int:
    """How often a leader may renew its Lease in a time that is measured a little short.

    Once more than the intervals that fit in: at both ends. And once more for what is asked after the time was taken.
    """
    return int(seconds / RENEWAL_SECONDS) + 2


def of_others(writes: Writes) -> Writes:
    """Leave out what the stand-in for virt-controller has asked for itself."""
    counts = {what: count for what, count in writes.counts.items() if what.split(" ")[1] not in OF_THE_STAND_IN}
    return msgspec.structs.replace(writes, counts=counts)
