"""A VirtualMachine whose fields are not of the types that they should have: the API server finds out only after us."""

import json
from typing import Final

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.admission.machines import (
    MAC1,
    MAC2,
    UNTOUCHED,
    Verdict,
    Webhook,
    machine,
    machine_review,
    multus,
    nic,
    odd_machine,
    read_verdict,
)
from tests.unit.doubles import FIRST, answer_of
from tests.unit.wire.strategies import JSON_VALUES, Json, damaged

from kubemacpool.wire.config import ConflictPolicy

POLICY: Final = {"kubemacpool.io/mac-policy": "reassign"}
AFTER: Final = machine(nic("red", MAC1), nic("blue"), nic("green", state="absent"), annotations=POLICY)
BEFORE: Final = machine(nic("blue", MAC2), nic("green", MAC1))
GOOD: Final[tuple[Json, ...]] = tuple(json.loads(machine_review(AFTER, old)) for old in (None, BEFORE))
"""Reviews with something of everything: a creation, and an update."""


@pytest.mark.parametrize(
    ("interfaces", "found"),
    [
        (
            [{"name": "red", "bridge": {}, "macAddress": 24_883_200_000}],
            'interface 0: "{"name": "red", "bridge": {}, "macAddress": 24883200000}" is unreadable',
        ),
        ({"name": "red"}, "Expected `array | null`, got `object` - at `$.template.spec.domain.devices.interfaces`"),
    ],
    ids=["an address without quotation marks", "no list"],
)
async def test_the_user_is_told_what_is_wrong_and_how_to_mend_it(interfaces: object, found: str) -> None:
    """An HTTP error instead would show no more than that the server rejected the request for an unknown reason."""
    verdict = await Webhook().judge(odd_machine(interfaces, [multus("red")], name="vm"))
    assert (verdict.allowed, verdict.code, verdict.reason) == (False, 400, "BadRequest")
    assert verdict.message.startswith(f"VirtualMachine default/vm: spec: {found}")
    assert verdict.message.endswith(
        "; correct it (in YAML, an address between quotation marks is never taken for a number)"
    )


async def test_what_is_odd_is_told_without_anybody_leading() -> None:
    webhook = Webhook()
    webhook.known = False
    assert (await webhook.judge(odd_machine([5], []))).code == 400
    assert webhook.looks == 0


async def test_a_machine_that_is_being_deleted_is_never_in_the_way() -> None:
    odd = odd_machine([{"name": "red", "macAddress": 5}], 7, name="vm", deletionTimestamp="2026-11-25T00:00:00Z")
    assert await Webhook().judge(odd) == UNTOUCHED


async def test_what_was_odd_before_an_update_is_overlooked() -> None:
    odd = odd_machine([{"name": "red", "macAddress": 5}, nic("blue", MAC2)], 7)
    assert await Webhook().judge(machine(nic("red"), nic("blue")), odd) == Verdict(given={0: MAC1, 1: MAC2})


@given(st.sampled_from(GOOD).flatmap(damaged), st.sampled_from(ConflictPolicy))
@settings(max_examples=200)
async def test_no_review_raises(review: Json, default: ConflictPolicy) -> None:
    """Whatever it is, the API server gets an answer, and a person whose machine it is reads why."""
    webhook = Webhook(default=default)
    webhook.hold("Pod", "holder", FIRST)
    answer = await answer_of(webhook.admission, json.dumps(review).encode())
    assert answer.status in {200, 400}
    if answer.status == 200:
        response = json.loads(answer.body)["response"]
        assert response["allowed"] or response["status"]["message"].startswith("VirtualMachine ")


@given(JSON_VALUES, JSON_VALUES, JSON_VALUES)
@settings(max_examples=200)
async def test_no_interfaces_and_networks_are_answered_with_an_http_error(
    interfaces: Json, networks: Json, before: Json
) -> None:
    webhook = Webhook()
    after, old = odd_machine(interfaces, networks, name="vm"), odd_machine(before, networks, name="vm")
    for body in (machine_review(after), machine_review(after, old)):
        read_verdict(await answer_of(webhook.admission, body))
