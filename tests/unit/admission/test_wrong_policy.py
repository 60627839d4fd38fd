"""A namespace's annotation that names no conflict policy: told to whoever it would have mattered to, and only there."""

import json
from dataclasses import dataclass, field

import pytest
from tests.unit.doubles import (
    FIRST,
    ManualClock,
    ReservingAtOnce,
    answer_of,
    new_admissions,
    new_allocator,
    new_policies,
    pod_review,
)

from kubemacpool.core.addresses import format_address
from kubemacpool.core.parties import Holder, ObjectKey, Party
from kubemacpool.wire.config import ConflictPolicy, NamespaceRules
from kubemacpool.wire.objects import ObjectIdentity

HELD = format_address(FIRST)
FREE = format_address(FIRST + 1)
MULTICAST = "01:00:00:00:00:01"
FAULT = (
    'the namespace\'s annotation kubemacpool.io/conflict-policy is "Warn", which is neither reject nor warn; '
    "{} is in force until it is corrected"
)


@dataclass
class Verdict:
    """What the user sees."""

    allowed: bool
    warnings: list[str] = field(default_factory=list)
    message: str = ""


def machine_review(mac: str) -> bytes:
    """A machine in namespace `default` with one interface."""
    devices = {"interfaces": [{"name": "red", "bridge": {}, "macAddress": mac}]}
    template = {"spec": {"domain": {"devices": devices}, "networks": [{"name": "red", "multus": {"networkName": "r"}}]}}
    asked = {
        "uid": "r1",
        "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine"},
        "namespace": "default",
        "operation": "CREATE",
        "object": {"metadata": {"name": "vm"}, "spec": {"template": template}},
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()


async def judge(kind: str, mac: str, default: ConflictPolicy, annotation: str) -> Verdict:
    """Ask for an address in a namespace with an annotation, where a pod has the first address."""
    clock, allocator, policies = ManualClock(), new_allocator(), new_policies(default)
    policies.present(ObjectIdentity("", "default", "u1"), NamespaceRules(annotation), 5)
    key = ObjectKey("Pod", "ns1", "holder")
    allocator.ledger.observe(Holder(key, "u2", Party(*key), (FIRST,)), clock.now())
    judges = new_admissions(allocator, ReservingAtOnce(allocator), policies, clock=clock)
    if kind == "Pod":
        answer = await answer_of(judges.pods, pod_review(f'[{{"name":"red","mac":"{mac}"}}]'))
    else:
        answer = await answer_of(judges.machines, machine_review(mac))
    response = json.loads(answer.body)["response"]
    return Verdict(response["allowed"], response.get("warnings", []), response.get("status", {}).get("message", ""))


@pytest.fixture(params=["Pod", "VirtualMachine"])
def kind(request: pytest.FixtureRequest) -> str:
    """Both kinds that are given addresses."""
    found: str = request.param
    return found


async def test_a_refusal_says_what_is_wrong_with_the_policy(kind: str) -> None:
    verdict = await judge(kind, HELD, ConflictPolicy.REJECT, "Warn")
    assert not verdict.allowed
    assert f"mac {HELD} is in use by Pod ns1/holder; " in verdict.message
    assert verdict.message.endswith(f"; {FAULT.format('reject')}")


async def test_what_is_admitted_because_the_installation_warns_is_told_it_too(kind: str) -> None:
    verdict = await judge(kind, HELD, ConflictPolicy.WARN, "Warn")
    assert verdict.allowed
    assert sorted(f"kubemacpool: {FAULT.format('warn')}" == text for text in verdict.warnings) == [False, True]


@pytest.mark.parametrize("default", ConflictPolicy)
async def test_nothing_is_said_where_there_is_no_conflict(kind: str, default: ConflictPolicy) -> None:
    assert await judge(kind, FREE, default, "Warn") == Verdict(allowed=True)
    mistaken = await judge(kind, MULTICAST, default, "Warn")
    assert not mistaken.allowed
    assert "conflict-policy" not in mistaken.message


async def test_nothing_is_said_of_a_policy_that_is_one(kind: str) -> None:
    refused = await judge(kind, HELD, ConflictPolicy.WARN, "reject")
    assert not refused.allowed
    assert "conflict-policy" not in refused.message
    admitted = await judge(kind, HELD, ConflictPolicy.REJECT, "warn")
    assert admitted.allowed
    assert len(admitted.warnings) == 1
