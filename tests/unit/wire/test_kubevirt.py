"""What a watch on KubeVirt's kinds shows."""

import json
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given
from tests.unit.wire.strategies import JSON_VALUES

from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.carrying import CarriedAddresses
from kubemacpool.wire.kubevirt import decode_instance, decode_machine
from kubemacpool.wire.migrations import Migration, decode_migration
from kubemacpool.wire.objects import Decoded, ObjectIdentity, UnreadableObjectError

IDENTITY = ObjectIdentity("ns", "a", "uid-a")
FIRST, SECOND = 0x02_00_00_00_00_01, 0x02_00_00_00_00_02
TO_VM = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": "vm", "uid": "uid-vm", "controller": True}


def _interface(name: str, mac: str | None = None) -> dict[str, object]:
    return {"name": name, "bridge": {}} | ({} if mac is None else {"macAddress": mac})


def _object(spec: object, *, status: object = None, **metadata: object) -> bytes:
    identity = {"namespace": "ns", "name": "a", "uid": "uid-a", "resourceVersion": "7"}
    return json.dumps({"metadata": {**identity, **metadata}, "spec": spec, "status": status}).encode()


def _spec(*interfaces: object) -> dict[str, object]:
    return {"domain": {"devices": {"interfaces": list(interfaces)}}, "networks": []}


def _machine(*interfaces: object, **metadata: object) -> bytes:
    return _object({"template": {"spec": _spec(*interfaces)}}, **metadata)


def _instance(*interfaces: object, phase: str | None = "Running", **metadata: object) -> bytes:
    return _object(_spec(*interfaces), status=None if phase is None else {"phase": phase}, **metadata)


@pytest.mark.parametrize(("decode", "write"), [(decode_machine, _machine), (decode_instance, _instance)])
def test_the_addresses_of_the_interfaces_are_carried(
    decode: Callable[[bytes], Decoded[CarriedAddresses]], write: Callable[..., bytes]
) -> None:
    raw = write(_interface("a", "02:00:00:00:00:01"), _interface("b"), _interface("c", "02-00-00-00-00-02"))
    assert decode(raw) == Decoded(IDENTITY, 7, CarriedAddresses((FIRST, SECOND)))


@pytest.mark.parametrize(("decode", "write"), [(decode_machine, _machine), (decode_instance, _instance)])
def test_an_address_that_cannot_be_read_is_named_and_the_others_count(
    decode: Callable[[bytes], Decoded[CarriedAddresses]], write: Callable[..., bytes]
) -> None:
    item = decode(write(_interface("a", "02:00"), _interface("b", "02:00:00:00:00:02"))).item
    assert item is not None
    assert item.addresses == (SECOND,)
    assert item.fault.startswith('interface "a": mac "02:00" is ')


@pytest.mark.parametrize(
    "spec",
    [None, {}, {"template": None}, {"template": {"spec": {"domain": {"devices": {}}}}}, {"template": {"spec": {}}}],
)
def test_a_machine_without_interfaces_is_of_no_interest(spec: object) -> None:
    assert decode_machine(_object(spec)).item is None


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_instance_that_has_ended_carries_nothing(phase: str) -> None:
    assert decode_instance(_instance(_interface("a", "02:00:00:00:00:01"), phase=phase)).item is None


def test_an_instance_without_a_status_has_not_ended() -> None:
    assert decode_instance(_instance(_interface("a", "02:00:00:00:00:01"), phase=None)).item is not None


def test_the_machine_that_controls_an_instance_is_told() -> None:
    item = decode_instance(_instance(_interface("a", "02:00:00:00:00:01"), ownerReferences=[TO_VM])).item
    assert item is not None
    assert item.owner == OwnerReference("VirtualMachine", "vm", "uid-vm")


@pytest.mark.parametrize(
    "reference",
    [
        {**TO_VM, "controller": False},
        {key: value for key, value in TO_VM.items() if key != "controller"},
        {**TO_VM, "apiVersion": "example.com/v1"},
        {**TO_VM, "apiVersion": "kubevirt.io.example.com/v1"},
        {**TO_VM, "kind": "VirtualMachinePool"},
    ],
    ids=["not the controller", "says nothing of it", "another group", "a group that looks alike", "another kind"],
)
def test_nobody_else_counts_as_the_owner(reference: dict[str, object]) -> None:
    item = decode_instance(_instance(_interface("a", "02:00:00:00:00:01"), ownerReferences=[reference])).item
    assert item is not None
    assert item.owner is None


@pytest.mark.parametrize(
    ("decode", "raw"),
    [
        (decode_machine, _object({"template": {"spec": {"domain": {"devices": {"interfaces": "none"}}}}})),
        (decode_instance, _object({"domain": []})),
        (decode_migration, _object({"sendTo": 7})),
    ],
)
def test_an_object_of_an_unexpected_shape_is_named(decode: Callable[[bytes], object], raw: bytes) -> None:
    with pytest.raises(UnreadableObjectError) as caught:
        decode(raw)
    assert (caught.value.identity, caught.value.resource_version) == (IDENTITY, 7)
    assert "$.spec" in caught.value.reason


def _migration(*, phase: str | None = None, **spec: object) -> bytes:
    return _object({"vmiName": "vm", **spec}, status=None if phase is None else {"phase": phase})


@pytest.mark.parametrize(("side", "sends"), [("sendTo", True), ("receive", False)])
def test_both_sides_of_a_migration_to_another_namespace_name_it(side: str, *, sends: bool) -> None:
    raw = _migration(phase="Running", **{side: {"migrationID": "m1", "connectURL": "x"}})
    assert decode_migration(raw) == Decoded(IDENTITY, 7, Migration("m1", "vm", sends))


@pytest.mark.parametrize(
    "raw",
    [
        _migration(),
        _migration(sendTo={}),
        _migration(sendTo={"migrationID": "m1"}, phase="Succeeded"),
        _migration(receive={"migrationID": "m1"}, phase="Failed"),
    ],
    ids=["within a namespace", "without a name", "succeeded", "failed"],
)
def test_any_other_migration_is_of_no_interest(raw: bytes) -> None:
    assert decode_migration(raw).item is None


@given(JSON_VALUES, JSON_VALUES)
def test_no_json_raises_anything_but_the_errors_told(spec: Any, status: Any) -> None:  # noqa: ANN401 (anything)
    for decode in (decode_machine, decode_instance, decode_migration):
        for raw in (_object(spec, status=status), json.dumps(spec).encode()):
            try:
                decode(raw)
            except (UnreadableObjectError, msgspec.ValidationError):
                continue
