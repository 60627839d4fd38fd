"""Installing and upgrading KubeMacPool on a development cluster: the release manifest, and its replicas on the host.

The manifest is applied word for word. The pods of its Deployment are then simulated by KWOK like all pods, and are only
the record that the Deployment can be rolled out; the program itself runs as host processes, which the API server
reaches through the manifest's Service and which reach the API server as the manifest's ServiceAccount.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devcluster.deployment import DEPLOYMENT, NAMESPACE, SERVICES, Deployment, Service, plan
from devcluster.errors import ProcessError, SettingError
from devcluster.files import PROGRESS_SECONDS, locked
from devcluster.installation import ReplicaStatus, Status, read_plan, read_status, write_plan
from devcluster.processes import last_words
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from devcluster.controlplane import ControlPlane
    from devcluster.waiting import Progress

SYNC_SECONDS = 90.0
POLL_SECONDS = 0.05
SUPERVISOR = "supervisor"
# What puts the webhooks into effect, when a replica writes itself into it.
SERVING = "/apis/rbac.authorization.k8s.io/v1/clusterrolebindings/kubemacpool-serving"
EFFECT_SECONDS = 30.0


class RoleBinding(msgspec.Struct):
    """Who has a role."""

    subjects: list[object] = []


class Installation:
    """KubeMacPool on one cluster."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Name the cluster; nothing is installed."""
        self._control_plane = control_plane
        self._layout = control_plane.layout

    def sync(
        self,
        progress: Progress = lambda _: None,
        *,
        manifest: Path | None = RELEASE_MANIFEST,
        environment: Mapping[str, str] | None = None,
        arguments: Sequence[str] = (),
        within: float = SYNC_SECONDS,
    ) -> Status:
        """Apply the manifest, run its replicas, and wait until exactly they are ready.

        Args:
            progress: told what is being waited for.
            manifest: what is applied; None where it was, by Helm for example.
            environment: variables of the replicas that take precedence over the manifest's.
            arguments: arguments of the replicas that follow the manifest's.
            within: seconds until it counts as failed; the supervisor goes on trying nevertheless.

        Raises:
            ClusterError: the manifest was refused, or a replica does not become ready.
        """
        if manifest is not None and not manifest.is_file():
            message = f"There is no manifest {manifest}."
            raise SettingError(message)
        with locked(self._layout.installation / "lock", "syncs", progress):
            if manifest is not None:
                for line in self._control_plane.kubectl("apply", "-f", str(manifest)).stdout.splitlines():
                    progress(line)
            before = read_plan(self._layout)
            revision = 1 if before is None else before.revision + 1
            api = self._control_plane.api
            deployment = api.get(f"/apis/apps/v1/namespaces/{NAMESPACE}/deployments/{DEPLOYMENT}", Deployment)
            services = {
                name: service
                for name in SERVICES
                if (service := api.find(f"/api/v1/namespaces/{NAMESPACE}/services/{name}", Service)) is not None
            }
            write_plan(self._layout, plan(revision, deployment, services, environment or {}, arguments))
            self.ensure_supervised()
            status = self._wait(revision, within, progress, restarts_allowed=False)
            self._wait_in_effect()
            return status

    def ensure_supervised(self) -> bool:
        """Start the supervisor if something is installed and none runs; tell whether it was started."""
        daemon = self._layout.daemon(SUPERVISOR)
        if read_plan(self._layout) is None or daemon.running() is not None:
            return False
        # A status from a supervisor that is gone says nothing about now.
        (self._layout.installation / "status.json").unlink(missing_ok=True)
        self._control_plane.start_python(SUPERVISOR, "devcluster.supervisor", str(self._layout.state_dir))
        return True

    def status(self) -> Status | None:
        """Return how the replicas are; None when nothing is installed or nobody supervises it."""
        if self._layout.daemon(SUPERVISOR).running() is None:
            return None
        return read_status(self._layout)

    def wait_ready(self, within: float = SYNC_SECONDS, progress: Progress = lambda _: None) -> Status:
        """Wait until the replicas of the present plan are ready, however often they were restarted.

        Raises:
            ProcessError: they do not become ready, or nothing is installed.
        """
        present = read_plan(self._layout)
        if present is None:
            message = f"Nothing is installed on the cluster in {self._layout.state_dir}; run `make cluster-sync`."
            raise ProcessError(message)
        return self._wait(present.revision, within, progress, restarts_allowed=True)

    def _wait(self, revision: int, within: float, progress: Progress, *, restarts_allowed: bool) -> Status:
        begun = said = time.monotonic()
        while True:
            if self._layout.daemon(SUPERVISOR).running() is None:
                raise ProcessError(self._layout.daemon(SUPERVISOR).obituary())
            status = read_status(self._layout)
            if status is not None and status.settled(revision):
                return status
            now = time.monotonic()
            overdue = now - begun > within
            self._raise_failure(status, revision, restarts_allowed=restarts_allowed and not overdue, overdue=overdue)
            if now - said >= PROGRESS_SECONDS:
                said = now
                progress(f"waiting for the replicas to be ready ({now - begun:.0f} s): {_in_words(status)}")
            time.sleep(POLL_SECONDS)

    def _wait_in_effect(self) -> None:
        """Wait as `kubectl rollout status` does for minReadySeconds: until replicas have put webhooks into effect."""
        until = time.monotonic() + EFFECT_SECONDS
        while (binding := self._control_plane.api.find(SERVING, RoleBinding)) is not None and not binding.subjects:
            if time.monotonic() > until:
                message = f"The replicas are ready, but {SERVING} has no subjects: the webhooks are not in effect."
                raise ProcessError(message)
            time.sleep(POLL_SECONDS)

    def _raise_failure(self, status: Status | None, revision: int, *, restarts_allowed: bool, overdue: bool) -> None:
        """Say why there is no use in waiting longer, if there is none."""
        for replica in [] if status is None else status.replicas:
            failed = (replica.restarts > 0 and not restarts_allowed) or (overdue and replica.state != "ready")
            if failed and replica.revision == revision:
                raise ProcessError(_why(replica))
        if overdue:
            log = self._layout.daemon(SUPERVISOR).log_file
            message = f"The replicas did not become ready: {_in_words(status)}. {last_words(log)}"
            raise ProcessError(message)


def _why(replica: ReplicaStatus) -> str:
    what = (
        f"it {replica.last_exit}" if replica.last_exit else f"its /readyz on {replica.webhook_url} does not say ready"
    )
    return f"{replica.name} does not work: {what}. {last_words(Path(replica.log))}"


def _in_words(status: Status | None) -> str:
    if status is None:
        return "the supervisor has not looked yet"
    if status.problem:
        return status.problem
    return ", ".join(f"{item.name} {item.state}" for item in status.replicas) or "none started yet"
