"""How replicas of a new revision take the place of old ones: one pure function, asked again after every step."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol, TypeVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.deployment import Plan


class Runnable(Protocol):
    """A replica as far as the next step depends on it."""

    @property
    def plan(self) -> Plan:
        """The plan that it was started for."""

    @property
    def ready(self) -> bool:
        """Whether it takes new connections."""

    @property
    def ending(self) -> bool:
        """Whether it has been told to end."""


R = TypeVar("R", bound=Runnable)


def next_step(plan: Plan, replicas: Sequence[R]) -> tuple[list[R], int]:
    """Tell which replicas to end and how many to start now, as a Deployment of this strategy would.

    Recreate ends every old replica before the first new one starts. RollingUpdate starts one more than wanted, and
    ends an old one when the ready ones suffice without it.
    """
    living = [replica for replica in replicas if not replica.ending]
    new = [replica for replica in living if replica.plan.revision == plan.revision]
    old = [replica for replica in living if replica.plan.revision != plan.revision]
    surplus = new[plan.replicas :]
    missing = max(0, plan.replicas - len(new))
    if plan.strategy == "Recreate":
        gone = all(replica.plan.revision == plan.revision for replica in replicas)
        return [*old, *surplus], missing if gone else 0
    if not old:
        return surplus, missing
    spare = max(0, sum(replica.ready for replica in living) - plan.replicas)
    broken = [replica for replica in old if not replica.ready]
    replaced = [replica for replica in old if replica.ready][:spare]
    return [*broken, *replaced, *surplus], min(missing, max(0, plan.replicas + 1 - len(living)))
