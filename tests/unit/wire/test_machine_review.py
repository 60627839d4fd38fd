"""The API server's question about a VirtualMachine."""

import contextlib
import json

import pytest
from hypothesis import given
from tests.unit.wire.strategies import JSON_VALUES, Json, damaged

from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.machine_review import (
    OLD_FINALIZER,
    MachineInterface,
    MachineReview,
    decode_instance_review,
    decode_machine_review,
    finalizer_patch,
    interface_patch,
)
from kubemacpool.wire.machines import NetworkKind
from kubemacpool.wire.review import ReviewError

NETWORKS = [
    {"name": "red", "multus": {"networkName": "red"}},
    {"name": "default", "pod": {}},
    {"name": "plain", "pod": {}},
    {"name": "claimed", "resourceClaim": {"claimName": "nic"}},
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
        {"name": "claimed", "sriov": {}},
        {"name": "lost", "bridge": {}, "macAddress": None},
    )
    assert decode_machine_review(review(machine(*interfaces))).interfaces == (
        MachineInterface("red", "02:00:00:00:00:01", NetworkKind.MULTUS, absent=False),
        MachineInterface("default", "", NetworkKind.POD_MASQUERADE, absent=False),
        MachineInterface("plain", "", NetworkKind.POD_OTHER, absent=True),
        MachineInterface("claimed", "", NetworkKind.UNKNOWN, absent=False),
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
        counts=(0, 4),
    )


def test_a_name_that_only_the_request_has_is_told() -> None:
    assert decode_machine_review(review({"metadata": {}}, name="vm")).name == "vm"


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


FIELD = "spec.template.spec.domain.devices.interfaces"


def test_the_patch_adds_addresses_and_nothing_else() -> None:
    assert json.loads(interface_patch({0: "02:00:00:00:00:01", 2: "02:00:00:00:00:02"}, FIELD)) == [
        {
            "op": "add",
            "path": f"/spec/template/spec/domain/devices/interfaces/{index}/macAddress",
            "value": f"02:00:00:00:00:0{number}",
        }
        for index, number in ((0, 1), (2, 2))
    ]


def _fault(spec: object) -> str:
    told = decode_machine_review(review({"metadata": {"name": "vm"}, "spec": spec}))
    assert told.interfaces == ()
    return told.fault


@pytest.mark.parametrize(
    ("spec", "fault"),
    [
        (5, "Expected `object | null`, got `int`"),
        ({"template": {"spec": []}}, "Expected `object | null`, got `array` - at `$.template.spec`"),
        (
            {"template": {"spec": {"domain": {"devices": {"interfaces": "red"}}}}},
            "Expected `array | null`, got `str` - at `$.template.spec.domain.devices.interfaces`",
        ),
    ],
)
def test_a_spec_of_an_unexpected_shape_is_a_fault(spec: object, fault: str) -> None:
    assert _fault(spec) == fault


def test_every_interface_and_network_of_an_unexpected_shape_is_named_and_the_others_are_told() -> None:
    """YAML takes an address without quotation marks for a number, written to the base of 60."""
    interfaces = ({"name": "red", "macAddress": 24_883_200_000}, {"name": "red", "bridge": {}}, {"name": 7})
    told = decode_machine_review(review(machine(*interfaces, networks=["x", *NETWORKS])))
    assert told.interfaces == (MachineInterface("red", "", NetworkKind.MULTUS, absent=False),)
    assert told.fault == (
        'interface 0: "{"name": "red", "macAddress": 24883200000}" is unreadable '
        "(Expected `str | null`, got `int` - at `$.macAddress`); "
        'interface 2: "{"name": 7}" is unreadable (Expected `str`, got `int` - at `$.name`); '
        'network 0: ""x"" is unreadable (Expected `object`, got `str`)'
    )


@pytest.mark.parametrize("before", [None, {}, {"spec": 5}, machine(5, {"name": "red"})])
def test_what_was_odd_before_an_update_is_no_fault_of_the_update(before: object) -> None:
    after = machine({"name": "red", "bridge": {}})
    told = decode_machine_review(review(after, operation="UPDATE", oldObject=before))
    assert told.fault == ""
    assert len(told.interfaces) == 1


def test_a_fault_quotes_only_the_beginning_of_what_was_sent() -> None:
    told = decode_machine_review(review(machine({"name": "red", "macAddress": ["x" * 10_000]})))
    assert len(told.fault) < 250


@pytest.mark.parametrize(
    ("metadata", "name", "generate_name"),
    [
        ({"name": "vm"}, "vm", ""),
        ({"generateName": "vm-"}, "asked", "vm-"),
        ({"name": "", "generateName": "vm-"}, "asked", "vm-"),
        ({"name": None, "generateName": None}, "asked", ""),
    ],
)
def test_a_machine_is_called_as_it_says_or_as_the_request_does(
    metadata: dict[str, str | None], name: str, generate_name: str
) -> None:
    told = decode_machine_review(review({"metadata": metadata}, name="asked"))
    assert (told.name, told.generate_name) == (name, generate_name)


@pytest.mark.parametrize(
    ("finalizers", "index"),
    [(None, None), ([], None), (["other"], None), ([OLD_FINALIZER], 0), (["other", "more", OLD_FINALIZER], 2)],
)
def test_where_the_old_finalizer_is_is_told(finalizers: list[str] | None, index: int | None) -> None:
    assert decode_machine_review(review(machine(finalizers=finalizers))).old_finalizer == index
    assert decode_machine_review(review(machine())).old_finalizer is None


def test_the_old_finalizer_is_taken_away_only_from_where_it_was_seen() -> None:
    assert json.loads(finalizer_patch(2)) == [
        {"op": "test", "path": "/metadata/finalizers/2", "value": "k8s.v1.cni.cncf.io/kubeMacPool"},
        {"op": "remove", "path": "/metadata/finalizers/2"},
    ]


QUESTION: dict[str, Json] = json.loads(
    review(machine({"name": "red", "macAddress": "02:00:00:00:00:01"}), oldObject=machine({"name": "default"}))
)


@given(damaged(QUESTION))
def test_no_review_raises_anything_but_the_error_told(question: Json) -> None:
    with contextlib.suppress(ReviewError):
        decode_machine_review(json.dumps(question).encode())


@given(JSON_VALUES, JSON_VALUES)
def test_no_json_raises_anything_but_the_error_told(obj: object, before: object) -> None:
    for body in (review(obj, oldObject=before), review(machine(obj, networks=before)), json.dumps(obj).encode()):
        try:
            decode_machine_review(body)
        except ReviewError:
            continue


TO_MACHINE: dict[str, object] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "name": "vm",
    "uid": "uid-vm",
    "controller": True,
}


def test_an_instance_has_its_interfaces_in_its_own_spec_and_says_whose_it_is() -> None:
    spec = {
        "domain": {"devices": {"interfaces": [{"name": "red", "macAddress": "02:00:00:00:00:01"}]}},
        "networks": [{"name": "red", "multus": {}}],
    }
    asked = {"metadata": {"name": "vm", "uid": "u1", "ownerReferences": [TO_MACHINE]}, "spec": spec}
    kind = {"group": "kubevirt.io", "version": "v1", "kind": "VirtualMachineInstance"}
    told = decode_instance_review(review(asked, kind=kind))
    assert told.interfaces == (MachineInterface("red", "02:00:00:00:00:01", NetworkKind.MULTUS, absent=False),)
    assert told.owner == OwnerReference("VirtualMachine", "vm", "uid-vm")
    assert (told.object_uid, told.fault) == ("", "")
    with pytest.raises(ReviewError, match="only CREATE of VirtualMachineInstance is answered here"):
        decode_instance_review(review(asked, kind=kind, operation="UPDATE"))
    assert decode_instance_review(review({"spec": 5}, kind=kind)).fault


def test_a_change_of_a_machine_tells_which_one_it_is() -> None:
    old = {"metadata": {"name": "vm"}}
    told = decode_machine_review(review({"metadata": {"name": "vm", "uid": "u1"}}, operation="UPDATE", oldObject=old))
    assert told.object_uid == "u1"


def test_of_more_than_an_object_may_have_the_first_are_read_and_the_number_is_told() -> None:
    nics = [{"name": f"n{number}", "bridge": {}} for number in range(300)]
    told = decode_machine_review(review(machine(*nics)))
    assert (len(told.interfaces), told.counts) == (256, (300, 4))
