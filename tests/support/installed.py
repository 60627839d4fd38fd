"""KubeMacPool installed on a control plane of the tests' own, and everything by which it can be watched."""

from __future__ import annotations

import asyncio
import http
import signal
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Final

import aiohttp
import msgspec
from tests.support.metrics import figures_of

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.installation import read_plan, write_plan
from devcluster.kubevirt import serve_kinds
from devcluster.processes import ProcessId
from devcluster.scraping import Scraper
from devcluster.settings import RELEASE_MANIFEST
from devcluster.sync import Installation
from kubemacpool.certs.contexts import client_context

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence

    from devcluster.deployment import Forward, Plan
    from devcluster.installation import ReplicaStatus

# Two seconds are enough for an admission here, and short enough to wait for; so they are for a new authority to become
# known, which the overlap says.
ENVIRONMENT: Final = {
    "CA_OVERLAP_INTERVAL": "20s",
    "KUBEMACPOOL_WAIT_TIME": "2",
    "KUBEMACPOOL_COOL_DOWN": "2",
    "KUBEMACPOOL_DRAIN_DELAY": "1",
    "KUBEMACPOOL_LOG_LEVEL": "debug",
}
SETTLE_SECONDS: Final = 20.0
POLL_SECONDS: Final = 0.03

LogLine = dict[str, object]
LogEnds = dict[Path, int]


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


@contextmanager
def installation(
    directory: Path,
    *,
    nodes: int = 0,
    controllers: bool = True,
    kubevirt: bool = False,
    apiserver_args: Sequence[str] = (),
    manifest: Path = RELEASE_MANIFEST,
    environment: Mapping[str, str] = ENVIRONMENT,
    arguments: Sequence[str] = (),
) -> Iterator[Installed]:
    """A control plane of real programs with KubeMacPool installed, for as long as the block lasts.

    Args:
        directory: where all that belongs to it is kept.
        nodes: how many simulated nodes there are; on none, pods do not run.
        controllers: whether the controllers run, and the scheduler.
        kubevirt: whether KubeVirt's kinds are served.
        apiserver_args: for the API server.
        manifest: what is applied.
        environment: of the replicas.
        arguments: for the replicas.
    """
    spec = ControlPlaneSpec(
        directory, nodes=nodes, controllers=controllers, apiserver_args=tuple(apiserver_args), ends_with_caller=True
    )
    with ControlPlane(spec) as control_plane:
        if kubevirt:
            serve_kinds(control_plane)
        installed = Installed(control_plane, manifest, environment, arguments)
        installed.sync()
        yield installed


def read_log(path: Path, since: int = 0) -> list[LogLine]:
    """The complete lines of a replica's log."""
    text = path.read_bytes()[since:] if path.exists() else b""
    return [msgspec.json.decode(line, type=LogLine) for line in text[: text.rfind(b"\n") + 1].splitlines()]


def process_of(replica: ReplicaStatus) -> ProcessId:
    """A replica's process, which must be running."""
    process = None if replica.pid is None else ProcessId.of(replica.pid)
    assert process is not None, replica
    return process


class Installed:
    """One installation, of which one replica leads and the others hand it what they are asked."""

    def __init__(
        self,
        control_plane: ControlPlane,
        manifest: Path,
        environment: Mapping[str, str] = ENVIRONMENT,
        arguments: Sequence[str] = (),
    ) -> None:
        self.control_plane = control_plane
        self.installation = Installation(control_plane)
        self.scraper = Scraper(control_plane)
        self._manifest = manifest
        self._environment = environment
        self._arguments = arguments

    def sync(self) -> None:
        """Install it, or upgrade it, as `make cluster-sync` does."""
        self.installation.sync(environment=self._environment, manifest=self._manifest, arguments=self._arguments)

    @property
    def replicas(self) -> list[ReplicaStatus]:
        """The replicas of the present revision, ready or not."""
        status = self.installation.status()
        assert status is not None
        return [each for each in status.replicas if each.revision == status.revision]

    @property
    def replica(self) -> ReplicaStatus:
        """The only replica, within `alone`."""
        (replica,) = self.replicas
        return replica

    @property
    def processes(self) -> set[ProcessId]:
        """The process of every replica."""
        return {process_of(replica) for replica in self.replicas}

    async def leader(self) -> ReplicaStatus:
        """The leader; waits until there is one."""
        found, _ = await self._leading()
        return found

    async def followers(self) -> list[ReplicaStatus]:
        """The replicas that do not decide, while one does."""
        leader = await self.leader()
        return [replica for replica in self.replicas if replica.name != leader.name]

    async def _leading(self) -> tuple[ReplicaStatus, dict[str, float]]:
        """The leader, and its metrics."""
        found: list[tuple[ReplicaStatus, dict[str, float]]] = []

        async def one_decides() -> bool:
            shown = [(replica, await self.figures(replica)) for replica in self.replicas]
            found[:] = [(replica, figures) for replica, figures in shown if figures.get("kubemacpool_leader") == 1]
            return len(found) == 1

        await eventually(one_decides, "one replica leads")
        return found[0]

    def wait_ready(self) -> None:
        """Wait until every replica takes traffic."""
        self.installation.wait_ready()

    @asynccontextmanager
    async def alone(self) -> AsyncIterator[None]:
        """One replica only, for what can be seen only where no other is there to answer; afterwards all are back."""
        before = self._plan()
        await self._scale(msgspec.structs.replace(before, replicas=1, strategy="Recreate"))
        try:
            yield
        finally:
            await self._scale(msgspec.structs.replace(self._plan(), replicas=before.replicas, strategy=before.strategy))

    async def _scale(self, plan: Plan) -> None:
        self._follow(plan)

        async def scaled() -> bool:
            status = self.installation.status()
            return status is not None and status.wanted == plan.replicas and status.settled(plan.revision)

        await eventually(scaled, f"{plan.replicas} replicas are ready, and no other")

    async def begin_restart(self) -> None:
        """End the only replica in good order and start a new one; do not wait until that is ready."""
        before = self._plan()
        assert before.replicas == 1
        revision = before.revision + 1
        self._follow(msgspec.structs.replace(before, revision=revision))

        async def listens() -> bool:
            status = self.installation.status()
            if status is None or status.revision != revision or len(status.replicas) != 1:
                return False
            return status.replicas[0].revision == revision and await self.readiness() != {""}

        await eventually(listens, "a new replica answers its probes")

    async def restart(self) -> None:
        """Put new replicas in the place of all, as `kubectl rollout restart` does; wait until they take traffic."""
        before = self._plan()
        self._follow(msgspec.structs.replace(before, revision=before.revision + 1))
        await asyncio.to_thread(self.wait_ready)

    async def kill(self, replica: ReplicaStatus) -> None:
        """End a replica without a word, and wait until its process was replaced and takes traffic."""
        process_of(replica).send(signal.SIGKILL)
        await self.replaced(replica)

    async def replaced(self, ended: ReplicaStatus) -> None:
        """Wait until another process than this one takes its traffic, as a kubelet would have it."""

        async def other() -> bool:
            return any(
                replica.name == ended.name and replica.pid not in {None, ended.pid} and replica.state == "ready"
                for replica in self.replicas
            )

        await eventually(other, f"a new process of {ended.name} is ready")

    async def ask(
        self,
        url: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        identity: tuple[bytes, bytes] | None = None,
        method: str | None = None,
    ) -> tuple[int, str, dict[str, str]]:
        """Ask a replica itself: status, body and headers; a GET where there is no body to send.

        Args:
            url: where.
            body: what is sent.
            headers: beside the usual ones.
            identity: a client certificate and its key, PEM; None for a client that has none.
            method: another one than GET, or POST where there is a body to send.
        """
        tls = False if identity is None else client_context(None, verify=False, identity=identity)
        async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=10)) as session:
            sent = ({"Content-Type": "application/json"} if body is not None else {}) | dict(headers or {})
            usual = "GET" if body is None else "POST"
            async with session.request(method or usual, url, data=body, headers=sent, ssl=tls) as answer:
                return answer.status, await answer.text(), dict(answer.headers)

    async def readiness(self) -> set[str]:
        """What /readyz of the replicas says, status and text; empty for one that does not answer."""
        return {await self._readiness_of(replica) for replica in self.replicas}

    async def _readiness_of(self, replica: ReplicaStatus) -> str:
        try:
            status, text, _ = await self.ask(f"{replica.webhook_url}/readyz")
        except (aiohttp.ClientError, OSError, TimeoutError):
            return ""
        return f"{status} {text}".rstrip("\n")

    async def figures(self, replica: ReplicaStatus | None = None) -> dict[str, float]:
        """The metrics of the leader, or of another, named like `kubemacpool_addresses{state=held}`.

        None of a given replica that does not answer.
        """
        if replica is None:
            _, figures = await self._leading()
            return figures
        try:
            status, text, _ = await self.ask(f"{replica.metrics_url}/metrics", headers=self.scraper.headers)
        except (aiohttp.ClientError, OSError, TimeoutError):
            return {}
        assert status == http.HTTPStatus.OK, text
        return figures_of(text)

    async def counts(self, replica: ReplicaStatus | None = None) -> dict[str, float]:
        """How many addresses are held, in flight, in doubt and cooling, to the leader or to another."""
        figures = await self.figures(replica)
        states = ("held", "in_flight", "in_doubt", "cooling")
        return {state: figures[f"kubemacpool_addresses{{state={state}}}"] for state in states}

    def log_ends(self) -> LogEnds:
        """Where the logs end now."""
        paths = (Path(replica.log) for replica in self.replicas)
        return {path: path.stat().st_size for path in paths if path.exists()}

    def log_of(self, replica: ReplicaStatus, since: LogEnds | None = None, **wanted: object) -> list[LogLine]:
        """The complete lines of one replica's log with these keys and values."""
        path = Path(replica.log)
        return [line for line in read_log(path, (since or {}).get(path, 0)) if wanted.items() <= line.items()]

    def log(self, since: LogEnds | None = None, **wanted: object) -> list[LogLine]:
        """The complete lines of all logs with these keys and values, the oldest first."""
        lines = [line for replica in self.replicas for line in self.log_of(replica, since, **wanted)]
        return sorted(lines, key=lambda line: str(line["timestamp"]))

    async def logged(self, since: LogEnds | None = None, **wanted: object) -> LogLine:
        """Wait until every replica has logged such a line; gives the first."""

        async def found() -> bool:
            return all(self.log_of(replica, since, **wanted) for replica in self.replicas)

        await eventually(found, f"a log line with {wanted}")
        return self.log(since, **wanted)[0]

    def forward(self, service: str) -> Forward:
        """The cluster IP and port of a Service."""
        (forward,) = [forward for forward in self._plan().forwards if forward.service == service]
        return forward

    def _plan(self) -> Plan:
        plan = read_plan(self.control_plane.layout)
        assert plan is not None
        return plan

    def _follow(self, plan: Plan) -> None:
        write_plan(self.control_plane.layout, plan)
