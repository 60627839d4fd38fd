"""The API server's question about a VirtualMachine."""

import json

import pytest
from hypothesis import given
from tests.unit.wire.strategies import JSON_VALUES

from kubemacpool.wire.admission import ReviewError
from kubemacpool.wire.machine_review import (
    MachineInterface,
    MachineReview,
    NetworkKind,
    decode_machine_review,
    interface_patch,
)

NETWORKS = [
    {"name": "red", "multus": {"networkName": "red"}},
    {"name": "default", "pod": {}},
    {"name": "plain", "pod": {}},
]


def machine(*interfaces: object, networks: object = None, **metadata: object) -> dict[str, object]:
    """A VirtualMachine."""
    spec = {
        "domain": {"devices": {"interfaces": list(interfaces)}},
        "networks": NETWORKS if networks is None else networks,
    }
    return {"metadata": {"name": "vm", **metadata}, "spec": {"template": {"spec": spec}}}


def review(obj: object, **request: object) -> bytes:
    """A review of a VirtualMachine."""
    asked = {
        "uid": "r1",
        "kind": {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachine"},
        "namespace": "ns",
        "operation": "CREATE",
        "object": obj,
        **request,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()


def test_interfaces_are_told_in_their_order_with_what_they_are_bound_to() -> None:
    interfaces: tuple[dict[str, object], ...] = (
        {"name": "red", "bridge": {}, "macAddress": "02:00:00:00:00:01"},
        {"name": "default", "masquerade": {}},
        {"name": "plain", "bridge": {}, "state": "absent"},
        {"name": "lost", "bridge": {}, "macAddress": None},
    )
    assert decode_machine_review(review(machine(*interfaces))).interfaces == (
        MachineInterface("red", "02:00:00:00:00:01", NetworkKind.MULTUS, absent=False),
        MachineInterface("default", "", NetworkKind.POD_MASQUERADE, absent=False),
        MachineInterface("plain", "", NetworkKind.POD_OTHER, absent=True),
        MachineInterface("lost", "", NetworkKind.MISSING, absent=False),
    )


def test_a_creation_is_told_whole() -> None:
    obj = machine(generateName="vm-", name=None, annotations={"kubemacpool.io/mac-policy": "reassign", "x": "y"})
    assert decode_machine_review(review(obj, dryRun=True)) == MachineReview(
        uid="r1",
        operation="CREATE",
        namespace="ns",
        name="",
        generate_name="vm-",
        dry_run=True,
        deleting=False,
        mac_policy="reassign",
        interfaces=(),
        old_interfaces=(),
    )


def test_an_update_tells_what_there_was_before() -> None:
    before = machine({"name": "red", "bridge": {}, "macAddress": "02:00:00:00:00:01"})
    after = machine({"name": "red", "bridge": {}}, deletionTimestamp="2026-11-25T00:00:00Z")
    told = decode_machine_review(review(after, operation="UPDATE", oldObject=before, name="vm"))
    assert (told.operation, told.name, told.deleting) == ("UPDATE", "vm", True)
    assert [interface.mac for interface in told.interfaces] == [""]
    assert [interface.mac for interface in told.old_interfaces] == ["02:00:00:00:00:01"]


@pytest.mark.parametrize(
    "obj",
    [
        {},
        {"spec": None},
        {"spec": {"template": None}},
        {"spec": {"template": {"spec": {"domain": None}}}},
        {"spec": {"template": {"spec": {"domain": {"devices": None}}}}},
        machine(networks=[]),
    ],
)
def test_a_machine_may_have_no_interfaces(obj: object) -> None:
    assert decode_machine_review(review(obj)).interfaces == ()


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (review(None), "asked about a VirtualMachine, but `request.object` is missing"),
        (review(machine(), operation="DELETE"), 'asked about "DELETE" of "VirtualMachine.kubevirt.io"'),
        (review(machine(), kind={"group": "", "kind": "Pod"}), "but only CREATE and UPDATE of VirtualMachine is"),
        (b"{", "the body is not an AdmissionReview"),
    ],
)
def test_what_is_asked_at_the_wrong_place_is_said(body: bytes, message: str) -> None:
    with pytest.raises(ReviewError) as caught:
        decode_machine_review(body)
    assert message in str(caught.value)


def test_the_patch_adds_addresses_and_nothing_else() -> None:
    assert json.loads(interface_patch({0: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"})) == [
        {
            "op": "add",
            "path": f"/spec/template/spec/domain/devices/interfaces/{index}/macAddress",
            "value": f"02:00:00:00:00:0{number}",
        }
        for index, number in ((0, 1), (2, 2))
    ]


@given(JSON_VALUES, JSON_VALUES)
def test_no_json_raises_anything_but_the_error_told(obj: object, before: object) -> None:
    for body in (review(obj, oldObject=before), review(machine(obj, networks=before)), json.dumps(obj).encode()):
        try:
            decode_machine_review(body)
        except ReviewError:
            continue
