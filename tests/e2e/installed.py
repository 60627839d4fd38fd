"""KubeMacPool installed on a control plane of the tests' own, and everything by which it can be watched."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
from prometheus_client.parser import text_string_to_metric_families

from devcluster.installation import ReplicaStatus, read_plan, write_plan
from devcluster.processes import ProcessId
from devcluster.sync import Installation

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

    from devcluster.controlplane import ControlPlane
    from devcluster.deployment import Forward

# Two seconds are enough for an admission here, and short enough to wait for.
ENVIRONMENT: Final = {
    "KUBEMACPOOL_WAIT_TIME": "2",
    "KUBEMACPOOL_COOL_DOWN": "2",
    "KUBEMACPOOL_DRAIN_DELAY": "1",
    "KUBEMACPOOL_LOG_LEVEL": "debug",
}
SETTLE_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.03

LogLine = dict[str, object]


async def eventually(
    condition: Callable[[], Awaitable[bool]], what: str, *, within: float = SETTLE_SECONDS, every: float = POLL_SECONDS
) -> None:
    """Wait for something that takes a moment."""
    try:
        async with asyncio.timeout(within):
            while not await condition():  # noqa: ASYNC110 (other processes set no event)
                await asyncio.sleep(every)
    except TimeoutError:
        raise AssertionError(f"waited {within:.0f} s in vain: {what}") from None


def read_log(path: Path, since: int = 0) -> list[LogLine]:
    """The complete lines of a replica's log."""
    text = path.read_bytes()[since:]
    return [msgspec.json.decode(line, type=LogLine) for line in text[: text.rfind(b"\n") + 1].splitlines()]


class Installed:
    """One installation with one replica."""

    def __init__(self, control_plane: ControlPlane, manifest: Path) -> None:
        self.control_plane = control_plane
        self.installation = Installation(control_plane)
        self._manifest = manifest

    def sync(self) -> None:
        """Install it, or upgrade it, as `make cluster-sync` does."""
        self.installation.sync(environment=ENVIRONMENT, manifest=self._manifest)

    @property
    def replica(self) -> ReplicaStatus:
        """The replica of the present revision, ready or not."""
        status = self.installation.status()
        assert status is not None
        (replica,) = [each for each in status.replicas if each.revision == status.revision]
        return replica

    @property
    def process(self) -> ProcessId:
        """The replica's process."""
        pid = self.replica.pid
        assert pid is not None
        process = ProcessId.of(pid)
        assert process is not None
        return process

    def wait_ready(self) -> None:
        """Wait until it takes traffic."""
        self.installation.wait_ready()

    async def begin_restart(self) -> None:
        """End the replica in good order and start a new one, as `kubectl rollout restart` does; do not wait for it."""
        before = read_plan(self.control_plane.layout)
        assert before is not None
        revision = before.revision + 1
        write_plan(self.control_plane.layout, msgspec.structs.replace(before, revision=revision))

        async def listens() -> bool:
            status = self.installation.status()
            if status is None or status.revision != revision or len(status.replicas) != 1:
                return False
            return status.replicas[0].revision == revision and bool(await self.ready())

        await eventually(listens, "a new replica answers its probes")

    async def restart(self) -> None:
        """End the replica in good order and start a new one; wait until it takes traffic."""
        await self.begin_restart()
        await asyncio.to_thread(self.wait_ready)

    async def kill(self) -> None:
        """End the replica without a word, and wait until the one that is started in its place takes traffic."""
        killed = self.process
        killed.send(signal.SIGKILL)
        await self.replaced(killed)

    async def replaced(self, ended: ProcessId) -> None:
        """Wait until another process than this one takes traffic, as a kubelet would have it."""

        async def other() -> bool:
            replica = self.replica
            return replica.pid not in {None, ended.pid} and replica.state == "ready"

        await eventually(other, "a new process is ready")

    async def ask(self, url: str, body: bytes | None = None) -> tuple[int, str, dict[str, str]]:
        """Ask the replica itself: status, body and headers; a GET where there is no body to send."""
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            headers = {"Content-Type": "application/json"} if body is not None else {}
            method = "GET" if body is None else "POST"
            async with session.request(method, url, data=body, headers=headers, ssl=False) as answer:
                return answer.status, await answer.text(), dict(answer.headers)

    async def ready(self) -> str:
        """What /readyz says, status and text; empty while nobody answers."""
        try:
            status, text, _ = await self.ask(f"{self.replica.webhook_url}/readyz")
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""
        return f"{status} {text}"

    async def figures(self) -> dict[str, float]:
        """The metrics, named like `kubemacpool_addresses{state=held}`."""
        _, text, _ = await self.ask(f"{self.replica.metrics_url}/metrics")
        return {
            sample.name + "".join(f"{{{key}={value}}}" for key, value in sample.labels.items()): sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
        }

    async def counts(self) -> dict[str, float]:
        """How many addresses are held, pending and cooling."""
        figures = await self.figures()
        return {state: figures[f"kubemacpool_addresses{{state={state}}}"] for state in ("held", "pending", "cooling")}

    def log_size(self) -> int:
        """Where the log ends now."""
        path = Path(self.replica.log)
        return path.stat().st_size if path.exists() else 0

    def log(self, since: int = 0, **wanted: object) -> list[LogLine]:
        """The complete lines of the replica's log with these keys and values."""
        return [line for line in read_log(Path(self.replica.log), since) if wanted.items() <= line.items()]

    async def logged(self, since: int = 0, **wanted: object) -> LogLine:
        """Wait for the first such line."""

        async def found() -> bool:
            return bool(self.log(since, **wanted))

        await eventually(found, f"a log line with {wanted}")
        return self.log(since, **wanted)[0]

    def forward(self, service: str) -> Forward:
        """The cluster IP and port of a Service."""
        plan = read_plan(self.control_plane.layout)
        assert plan is not None
        (forward,) = [forward for forward in plan.forwards if forward.service == service]
        return forward
