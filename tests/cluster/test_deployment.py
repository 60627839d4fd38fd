"""What the manifest says is what a replica gets, and replicas take each other's place as the strategy says."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import msgspec
import pytest

from devcluster.deployment import Deployment, Plan, Service, environment_of, expand, plan
from devcluster.errors import SettingError
from devcluster.rollout import next_step

if TYPE_CHECKING:
    from collections.abc import Sequence

SERVICES = {
    "kubemacpool-service": msgspec.convert({"spec": {"clusterIP": "127.96.1.2", "ports": [{"port": 443}]}}, Service)
}


def deployment(container: dict[str, object], strategy: str = "Recreate", replicas: int = 1) -> Deployment:
    spec = {
        "replicas": replicas,
        "strategy": {"type": strategy},
        "template": {
            "spec": {
                "serviceAccountName": "kubemacpool-sa",
                "terminationGracePeriodSeconds": 7,
                "containers": [{"name": "manager", **container}],
            }
        },
    }
    return msgspec.convert({"spec": spec}, Deployment)


def test_a_replica_gets_the_containers_arguments_and_variables() -> None:
    container: dict[str, object] = {
        "command": ["kubemacpool", "manager"],
        "args": ["--wait-time=120"],
        "env": [
            {"name": "POD_NAME", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.name"}}},
            {"name": "CA_ROTATE_INTERVAL", "value": "8760h0m0s"},
        ],
        "readinessProbe": {"httpGet": {"path": "/readyz", "port": "webhook"}, "periodSeconds": 2},
    }
    made = plan(3, deployment(container), SERVICES, {"EXTRA": "1"}, ["--log-level=debug"])

    assert made.arguments == ["kubemacpool", "manager", "--wait-time=120", "--log-level=debug"]
    assert environment_of(made, {"metadata.name": "replica-3-0"}) == {
        "CA_ROTATE_INTERVAL": "8760h0m0s",
        "EXTRA": "1",
        "POD_NAME": "replica-3-0",
    }
    assert (made.service_account, made.grace_seconds, made.liveness) == ("kubemacpool-sa", 7, None)
    assert made.readiness.http_get is not None
    assert made.readiness.http_get.path == "/readyz"
    assert [(item.address, item.port, item.listener) for item in made.forwards] == [("127.96.1.2", 443, "webhook")]


def test_a_container_without_a_command_runs_the_images_entry_point() -> None:
    assert plan(1, deployment({"args": ["manager"]}), SERVICES, {}).arguments == ["kubemacpool", "manager"]


@pytest.mark.parametrize(
    ("container", "message"),
    [
        ({"envFrom": [{"secretRef": {"name": "x"}}]}, "Container manager of Deployment .* has envFrom"),
        ({"env": [{"name": "KEY", "valueFrom": {"secretKeyRef": {}}}]}, "Variable KEY .* other than fieldRef"),
    ],
)
def test_what_a_host_process_cannot_have_is_named(container: dict[str, object], message: str) -> None:
    with pytest.raises(SettingError, match=message):
        plan(1, deployment(container), SERVICES, {})


def test_an_unknown_field_is_named() -> None:
    source = {"fieldRef": {"fieldPath": "metadata.uid"}}
    made = plan(1, deployment({"env": [{"name": "UID", "valueFrom": source}]}), SERVICES, {})

    with pytest.raises(SettingError, match=r"Variable UID .* takes the field metadata\.uid; .* has metadata\.name"):
        environment_of(made, {"metadata.name": "x"})


@pytest.mark.parametrize(
    ("argument", "expanded"),
    [("--name=$(POD_NAME)", "--name=a"), ("$(NONE)", "$(NONE)"), ("$$(POD_NAME)", "$(POD_NAME)"), ("$x", "$x")],
)
def test_references_in_arguments_are_replaced_as_a_kubelet_does(argument: str, expanded: str) -> None:
    assert expand([argument], {"POD_NAME": "a"}) == [expanded]


@dataclass(frozen=True, slots=True, eq=False)
class Stub:
    """A replica as far as the next step depends on it."""

    plan: Plan
    state: Literal["starting", "ready", "unready", "ending"]

    @property
    def ready(self) -> bool:
        """Whether it is in the Service."""
        return self.state == "ready"

    @property
    def ending(self) -> bool:
        """Whether it was told to end."""
        return self.state == "ending"


def plans(strategy: str, replicas: int = 2) -> tuple[Plan, Plan]:
    """Return an old and a new plan."""
    made = deployment({}, strategy, replicas)
    return plan(1, made, SERVICES, {}), plan(2, made, SERVICES, {})


def step(plan_: Plan, replicas: Sequence[Stub]) -> tuple[list[int], int]:
    """Return the indexes of the replicas to end, and how many to start."""
    to_end, to_start = next_step(plan_, replicas)
    return sorted(replicas.index(replica) for replica in to_end), to_start


def test_recreate_starts_nothing_before_the_last_old_one_is_gone() -> None:
    old, new = plans("Recreate")

    assert step(new, [Stub(old, "ready"), Stub(old, "ready")]) == ([0, 1], 0)
    assert step(new, [Stub(old, "ending")]) == ([], 0)
    assert step(new, []) == ([], 2)


def test_a_rolling_update_never_has_fewer_ready_than_wanted() -> None:
    """The whole of an upgrade of two replicas, step by step."""
    old, new = plans("RollingUpdate")

    assert step(new, [Stub(old, "ready"), Stub(old, "ready")]) == ([], 1)
    assert step(new, [Stub(old, "ready"), Stub(old, "ready"), Stub(new, "starting")]) == ([], 0)
    assert step(new, [Stub(old, "ready"), Stub(old, "ready"), Stub(new, "ready")]) == ([0], 0)
    assert step(new, [Stub(old, "ending"), Stub(old, "ready"), Stub(new, "ready")]) == ([], 1)
    assert step(new, [Stub(old, "ready"), Stub(new, "ready"), Stub(new, "ready")]) == ([0], 0)
    assert step(new, [Stub(new, "ready"), Stub(new, "ready")]) == ([], 0)


def test_a_rolling_update_takes_away_first_what_does_not_work() -> None:
    old, new = plans("RollingUpdate")

    assert step(new, [Stub(old, "ready"), Stub(old, "unready")]) == ([1], 1)


@pytest.mark.parametrize("strategy", ["Recreate", "RollingUpdate"])
def test_surplus_replicas_are_ended(strategy: str) -> None:
    _, new = plans(strategy, replicas=1)

    assert step(new, [Stub(new, "ready"), Stub(new, "ready")]) == ([1], 0)
