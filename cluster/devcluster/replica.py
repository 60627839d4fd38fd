"""One replica as a host process, kept alive and probed as a kubelet would its container."""

from __future__ import annotations

import asyncio
import http
import os
import shutil
import signal
import sys
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import aiohttp

from devcluster.deployment import (
    LISTENERS,
    NAMESPACE,
    HttpGet,
    Plan,
    Probe,
    environment_of,
    expand,
    listener_of,
)
from devcluster.errors import ClusterError
from devcluster.installation import ReplicaStatus
from devcluster.loopback import HOST
from devcluster.processes import ProcessId, reap

if TYPE_CHECKING:
    from devcluster.layout import Layout

# A kubelet waits 10 s to 5 min; somebody who develops waits for the next try.
FIRST_BACK_OFF_SECONDS = 1.0
LAST_BACK_OFF_SECONDS = 30.0
# A process that has lived this long starts its back-off afresh.
HEALTHY_SECONDS = 60.0
READINESS_SECONDS = 1.0
# Until it is ready for the first time, somebody waits for it.
STARTING_READINESS_SECONDS = 0.1
PROGRAMS = Path(sys.executable).parent


class Replica:
    """A replica of one revision; `run` lives as long as the replica."""

    def __init__(self, plan: Plan, number: int, ports: tuple[int, int, int], layout: Layout, kubeconfig: Path) -> None:
        """Name the replica and give it its three ports: webhook, metrics and probes."""
        self.plan = plan
        self.name = f"replica-{plan.revision}-{number}"
        self.ports = ports
        self.state: Literal["starting", "ready", "unready", "backing off", "ending"] = "starting"
        self.restarts = 0
        self._kubeconfig = kubeconfig
        self._layout = layout
        self._last_exit: str | None = None
        self._daemon = layout.daemon(self.name)
        self._process: ProcessId | None = None
        self._ending = asyncio.Event()

    @property
    def ready(self) -> bool:
        """Tell whether it takes new connections."""
        return self.state == "ready"

    @property
    def ending(self) -> bool:
        """Tell whether it has been told to end."""
        return self.state == "ending"

    def status(self) -> ReplicaStatus:
        """Describe the replica."""
        return ReplicaStatus(
            name=self.name,
            revision=self.plan.revision,
            state=self.state,
            pid=None if self._process is None else self._process.pid,
            restarts=self.restarts,
            last_exit=self._last_exit,
            webhook_url=f"https://{HOST}:{self.ports[0]}",
            metrics_url=f"https://{HOST}:{self.ports[1]}",
            health_url=f"http://{HOST}:{self.ports[2]}",
            log=str(self._daemon.log_file),
        )

    def end(self) -> None:
        """Take it out of the Services and ask it to end; `run` returns when it has."""
        if not self._ending.is_set():
            self.state = "ending"
            self._ending.set()

    async def run(self, session: aiohttp.ClientSession) -> None:
        """Start the process, and again whenever it ends, until `end` is called."""
        back_off = FIRST_BACK_OFF_SECONDS
        while not self._ending.is_set():
            begun = time.monotonic()
            try:
                await self._live(session)
            except ClusterError as error:
                self._last_exit = str(error)
            if self._ending.is_set():
                break
            self.state = "backing off"
            self.restarts += 1
            back_off = FIRST_BACK_OFF_SECONDS if time.monotonic() - begun > HEALTHY_SECONDS else back_off
            with suppress(TimeoutError):
                # The first restart is immediate, as a kubelet's is.
                await asyncio.wait_for(self._ending.wait(), 0.01 if self.restarts == 1 else back_off)
            if self.restarts > 1:
                back_off = min(back_off * 2, LAST_BACK_OFF_SECONDS)
        self._daemon.pid_file.unlink(missing_ok=True)

    async def _live(self, session: aiohttp.ClientSession) -> None:
        """Run one process from its start to its end."""
        environment = _base_environment() | self._environment()
        arguments = expand(self.plan.arguments, environment)
        arguments[0] = shutil.which(arguments[0], path=environment["PATH"]) or arguments[0]
        self.state = "starting"
        self._process = process = self._daemon.start(arguments, environment)
        ended = asyncio.create_task(_ended(process))
        tasks = [
            asyncio.create_task(self._probe_readiness(session)),
            asyncio.create_task(self._probe_liveness(session, process)),
            asyncio.create_task(self._ending.wait()),
        ]
        try:
            await asyncio.wait([ended, tasks[-1]], return_when=asyncio.FIRST_COMPLETED)
            if not ended.done():
                process.send(signal.SIGTERM)
                with suppress(TimeoutError):
                    await asyncio.wait_for(asyncio.shield(ended), self.plan.grace_seconds)
            if not ended.done():
                process.send(signal.SIGKILL)
            await ended
        finally:
            for task in tasks:
                task.cancel()
            self._process = None
        self._last_exit = _in_words(reap(process.pid))

    def _environment(self) -> dict[str, str]:
        pod_fields = {
            "metadata.name": self.name,
            "metadata.namespace": NAMESPACE,
            "spec.nodeName": os.uname().nodename,
            "spec.serviceAccountName": self.plan.service_account,
            "status.podIP": HOST,
            "status.hostIP": HOST,
        }
        # Whoever has a certificate of the cluster may read the metrics.
        usual = {"KUBEMACPOOL_METRICS_CLIENT_CA_FILE": str(self._layout.pki / "ca.crt")}
        return (
            usual
            | environment_of(self.plan, pod_fields)
            | {
                "KUBECONFIG": str(self._kubeconfig),
                "KUBEMACPOOL_BIND_ADDRESS": HOST,
                "KUBEMACPOOL_WEBHOOK_PORT": str(self.ports[0]),
                "KUBEMACPOOL_METRICS_PORT": str(self.ports[1]),
                "KUBEMACPOOL_HEALTH_PORT": str(self.ports[2]),
                "POD_NAME": self.name,
                "POD_NAMESPACE": NAMESPACE,
            }
        )

    async def _probe_readiness(self, session: aiohttp.ClientSession) -> None:
        failures = 0
        while True:
            if await self._answers(session, self.plan.readiness):
                failures = 0
                ready = True
            else:
                failures += 1
                ready = self.state == "ready" and failures < self.plan.readiness.failure_threshold
            if not self._ending.is_set():
                if ready:
                    self.state = "ready"
                elif self.state == "ready":
                    self.state = "unready"
            await asyncio.sleep(STARTING_READINESS_SECONDS if self.state == "starting" else READINESS_SECONDS)

    async def _probe_liveness(self, session: aiohttp.ClientSession, process: ProcessId) -> None:
        probe = self.plan.liveness
        if probe is None:
            return
        await asyncio.sleep(probe.initial_delay_seconds)
        failures = 0
        while failures < probe.failure_threshold:
            await asyncio.sleep(probe.period_seconds)
            failures = 0 if await self._answers(session, probe) else failures + 1
        process.send(signal.SIGTERM)
        await asyncio.sleep(self.plan.grace_seconds)
        process.send(signal.SIGKILL)

    async def _answers(self, session: aiohttp.ClientSession, probe: Probe) -> bool:
        """Ask as a kubelet does: any certificate, any status from 200 to 399."""
        asked = probe.http_get or HttpGet()
        port = dict(zip(LISTENERS, self.ports, strict=True))[listener_of(asked.port)]
        url = f"{asked.scheme.lower()}://{HOST}:{port}{asked.path}"
        limit = aiohttp.ClientTimeout(total=probe.timeout_seconds)
        try:
            async with session.get(url, ssl=False, timeout=limit, allow_redirects=False) as answer:
                return http.HTTPStatus.OK <= answer.status < http.HTTPStatus.BAD_REQUEST
        except (aiohttp.ClientError, OSError, TimeoutError):
            return False


def _base_environment() -> dict[str, str]:
    """Give a replica what an image gives it, with this tree's programs first."""
    kept = {name: os.environ[name] for name in ("HOME", "LANG", "TMPDIR") if name in os.environ}
    return kept | {"PATH": f"{PROGRAMS}{os.pathsep}{os.environ.get('PATH', os.defpath)}"}


async def _ended(process: ProcessId) -> None:
    """Wait for the process without holding up the loop."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except ProcessLookupError:
        return
    loop = asyncio.get_running_loop()
    readable = asyncio.Event()
    loop.add_reader(descriptor, readable.set)
    try:
        await readable.wait()
    finally:
        loop.remove_reader(descriptor)
        os.close(descriptor)


def _in_words(status: int | None) -> str:
    if status is None:
        return "ended"
    if status < 0:
        return f"was killed by {signal.Signals(-status).name}"
    return f"ended with status {status}"
