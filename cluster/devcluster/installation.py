"""The two files through which a sync and the supervisor talk: the plan, and how far it is.

The supervisor acts on the plan as it stands, however often it changes; nothing is lost when either of the two dies.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from devcluster.deployment import Plan
from devcluster.files import write_atomically

if TYPE_CHECKING:
    from devcluster.layout import Layout


class ReplicaStatus(msgspec.Struct, frozen=True):
    """One replica as it is now."""

    name: str
    revision: int
    state: Literal["starting", "ready", "unready", "backing off", "ending"]
    pid: int | None
    restarts: int
    last_exit: str | None
    """How the last process ended, in words."""
    webhook_url: str
    metrics_url: str
    health_url: str
    log: str


class Status(msgspec.Struct, frozen=True):
    """All replicas, and what keeps the supervisor from its work, if anything does."""

    revision: int
    wanted: int
    replicas: list[ReplicaStatus]
    problem: str | None = None

    def settled(self, revision: int) -> bool:
        """Tell whether this revision, and no other, runs with all its replicas ready."""
        current = [replica for replica in self.replicas if replica.revision == revision and replica.state == "ready"]
        return self.revision == revision and len(current) == len(self.replicas) == self.wanted


def write_plan(layout: Layout, plan: Plan) -> None:
    """Tell the supervisor what to do."""
    write_atomically(layout.installation / "plan.json", msgspec.json.format(msgspec.json.encode(plan)))


def read_plan(layout: Layout) -> Plan | None:
    """Return the plan; None when nothing is installed."""
    try:
        return msgspec.json.decode((layout.installation / "plan.json").read_bytes(), type=Plan)
    except FileNotFoundError:
        return None


def write_status(layout: Layout, status: Status) -> None:
    """Tell how far the plan is."""
    write_atomically(layout.installation / "status.json", msgspec.json.format(msgspec.json.encode(status)))


def read_status(layout: Layout) -> Status | None:
    """Return what the supervisor last told."""
    try:
        return msgspec.json.decode((layout.installation / "status.json").read_bytes(), type=Status)
    except FileNotFoundError:
        return None
