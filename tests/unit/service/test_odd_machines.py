"""A VirtualMachine whose fields are not of the types that they should have: the API server finds out only after us."""

import json

import pytest
from tests.unit.service.doubles import KeptMeasures, ManualClock, new_policies

from kubemacpool.core.decisions import AddressRequest, Decision
from kubemacpool.service.machine_admission import Followed, MachineAdmission
from kubemacpool.wire.machine_review import NetworkKind


class NobodyDecides:
    """A decider that is not asked (implements `AddressDecider`)."""

    async def decide(self, request: AddressRequest) -> Decision:
        """Never called."""
        raise AssertionError(request)


def _admission() -> MachineAdmission:
    return MachineAdmission(
        NobodyDecides(),
        new_policies(),
        Followed(complete=lambda: True, look_soon=lambda: None),
        frozenset({NetworkKind.MULTUS}),
        KeptMeasures(),
        ManualClock(),
    )


async def _answer(interfaces: object, **metadata: object) -> dict[str, object]:
    networks = [{"name": "red", "multus": {"networkName": "red"}}]
    spec = {"template": {"spec": {"domain": {"devices": {"interfaces": interfaces}}, "networks": networks}}}
    asked = {
        "uid": "r1",
        "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine"},
        "namespace": "ns",
        "operation": "UPDATE",
        "object": {"metadata": {"name": "vm", **metadata}, "spec": spec},
    }
    body = json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()
    answer = await _admission().answer(body)
    assert answer.status == 200
    response: dict[str, object] = json.loads(answer.body)["response"]
    return response


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
    response = await _answer(interfaces)
    assert response["allowed"] is False
    status = response["status"]
    assert isinstance(status, dict)
    assert (status["code"], status["reason"]) == (400, "BadRequest")
    assert status["message"].startswith(f"VirtualMachine ns/vm: spec: {found}")
    assert status["message"].endswith(
        "; correct it (in YAML, an address between quotation marks is never taken for a number)"
    )


async def test_a_machine_that_is_being_deleted_is_never_in_the_way() -> None:
    response = await _answer([{"name": "red", "macAddress": 5}], deletionTimestamp="2026-11-25T00:00:00Z")
    assert response == {"uid": "r1", "allowed": True}
