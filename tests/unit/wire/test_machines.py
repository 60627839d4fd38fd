"""What a watch on KubeVirt's kinds shows."""

import json
from collections.abc import Callable

import msgspec
import pytest
from hypothesis import given
from tests.unit.wire.strategies import JSON_VALUES, Json, damaged

from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.machines import NOT_OURS, decode_instance, decode_machine, decoders
from kubemacpool.wire.migrations import Migration, decode_migration
from kubemacpool.wire.objects import CarriedAddresses, Decoded, ObjectIdentity, UnreadableObjectError

Decoder = Callable[[bytes], Decoded[CarriedAddresses]]

IDENTITY = ObjectIdentity("ns", "a", "uid-a")
FIRST, SECOND = 0x02_00_00_00_00_01, 0x02_00_00_00_00_02
TO_VM: dict[str, Json] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachine",
    "name": "vm",
    "uid": "uid-vm",
    "controller": True,
}


def _interface(name: str, mac: str | None = None) -> dict[str, Json]:
    interface: dict[str, Json] = {"name": name, "bridge": {}}
    return interface if mac is None else {**interface, "macAddress": mac}


def _object(spec: object, *, status: object = None, **metadata: object) -> bytes:
    identity = {"namespace": "ns", "name": "a", "uid": "uid-a", "resourceVersion": "7"}
    return json.dumps({"metadata": {**identity, **metadata}, "spec": spec, "status": status}).encode()


def _spec(*interfaces: object) -> dict[str, object]:
    return {"domain": {"devices": {"interfaces": list(interfaces)}}, "networks": []}


def _machine(*interfaces: object, **metadata: object) -> bytes:
    return _object({"template": {"spec": _spec(*interfaces)}}, **metadata)


def _instance(*interfaces: object, phase: str | None = "Running", **metadata: object) -> bytes:
    return _object(_spec(*interfaces), status=None if phase is None else {"phase": phase}, **metadata)


BOTH = pytest.mark.parametrize(
    ("decode", "write"), [(decode_machine, _machine), (decode_instance, _instance)], ids=["machine", "instance"]
)


@BOTH
def test_the_addresses_of_the_interfaces_are_carried(decode: Decoder, write: Callable[..., bytes]) -> None:
    raw = write(_interface("a", "02:00:00:00:00:01"), _interface("b"), _interface("c", "02-00-00-00-00-02"))
    assert decode(raw) == Decoded(IDENTITY, 7, CarriedAddresses((FIRST, SECOND)))


@BOTH
def test_an_address_that_cannot_be_read_is_named_and_the_others_count(
    decode: Decoder, write: Callable[..., bytes]
) -> None:
    item = decode(write(_interface("a", "02:00"), _interface("b", "02:00:00:00:00:02"))).item
    assert item is not None
    assert item.addresses == (SECOND,)
    assert item.fault.startswith('interface "a": mac "02:00" is ')


@BOTH
@pytest.mark.parametrize(
    ("entry", "shown"),
    [({"name": "b", "macAddress": 5}, '{"name": "b", "macAddress": 5}'), (None, "null"), ("b", '"b"')],
    ids=["a number for an address", "null", "a text"],
)
def test_an_interface_of_an_unexpected_shape_is_named_and_hides_no_other(
    decode: Decoder, write: Callable[..., bytes], entry: object, shown: str
) -> None:
    raw = write(_interface("a", "02:00:00:00:00:01"), entry, _interface("c", "02:00:00:00:00:02"))
    item = decode(raw).item
    assert item is not None
    assert item.addresses == (FIRST, SECOND)
    assert item.fault.startswith(f'interface 1: "{shown}" is unreadable (Expected `')


def test_everything_that_cannot_be_read_is_named() -> None:
    item = decode_machine(_machine(_interface("a", "1"), None, _interface("c", "2"))).item
    assert item is not None
    assert [part.split(":")[0] for part in item.fault.split("; ") if part.startswith("interface")] == [
        "interface 1",
        'interface "a"',
        'interface "c"',
    ]


@pytest.mark.parametrize("name", [None, 5, ["x"]])
def test_an_address_counts_whatever_its_interface_is_called(name: object) -> None:
    assert decode_machine(_machine({"name": name, "macAddress": "02:00:00:00:00:01"})).item == CarriedAddresses(
        (FIRST,)
    )


def test_an_interface_whose_name_is_not_utf8_hides_nothing() -> None:
    raw = _machine(_interface("?", "02:00:00:00:00:01"), _interface("b", "02:00:00:00:00:02")).replace(b"?", b"\xff")
    assert decode_machine(raw).item == CarriedAddresses((FIRST, SECOND))


def test_an_interface_whose_address_is_not_utf8_hides_no_other() -> None:
    raw = _machine(_interface("a", "?"), _interface("b", "02:00:00:00:00:02")).replace(b"?", b"\xff")
    item = decode_machine(raw).item
    assert item is not None
    assert item.addresses == (SECOND,)
    assert item.fault.startswith("interface 0: ")


@pytest.mark.parametrize(
    "spec",
    [None, {}, {"template": None}, {"template": {"spec": {"domain": {"devices": {}}}}}, {"template": {"spec": {}}}],
)
def test_a_machine_without_interfaces_is_there_and_carries_nothing(spec: object) -> None:
    assert decode_machine(_object(spec)).item == CarriedAddresses(())


@pytest.mark.parametrize("spec", [None, {}, {"domain": None}, {"domain": {"devices": None}}, _spec()])
def test_an_instance_without_interfaces_is_there_and_carries_nothing(spec: object) -> None:
    assert decode_instance(_object(spec)).item == CarriedAddresses(())


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_an_instance_that_has_ended_carries_nothing_and_still_belongs_to_its_machine(phase: str) -> None:
    raw = _instance(_interface("a", "02:00:00:00:00:01"), phase=phase, ownerReferences=[TO_VM])
    assert decode_instance(raw).item == CarriedAddresses((), owner=OwnerReference("VirtualMachine", "vm", "uid-vm"))


@pytest.mark.parametrize("status", [None, {}, {"phase": None}, {"phase": "Running"}, {"phase": "Unknown"}])
def test_an_instance_in_any_other_phase_has_not_ended(status: object) -> None:
    assert decode_instance(
        _object(_spec(_interface("a", "02:00:00:00:00:01")), status=status)
    ).item == CarriedAddresses((FIRST,))


@pytest.mark.parametrize("status", [{"phase": 5}, {"phase": ["Failed"]}, "Failed", []])
def test_an_instance_whose_phase_cannot_be_read_has_not_ended(status: object) -> None:
    """Whatever else is wrong with it, its addresses may be in use."""
    assert decode_instance(
        _object(_spec(_interface("a", "02:00:00:00:00:01")), status=status)
    ).item == CarriedAddresses((FIRST,))


def test_the_phase_of_a_machine_says_nothing_about_its_addresses() -> None:
    raw = _machine(_interface("a", "02:00:00:00:00:01"), status={"phase": "Failed"})
    assert decode_machine(raw).item == CarriedAddresses((FIRST,))


def test_nothing_is_said_of_the_shape_of_an_instance_that_has_ended() -> None:
    assert decode_instance(_object({"domain": []}, status={"phase": "Failed"})).item == CarriedAddresses(())


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
    assert "spec" in caught.value.reason


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
        _migration(sendTo=None, receive=None),
        _migration(sendTo={"migrationID": "m1"}, vmiName=""),
        _migration(sendTo={"migrationID": "m1"}, phase="Succeeded"),
        _migration(receive={"migrationID": "m1"}, phase="Failed"),
    ],
    ids=["within a namespace", "without an id", "neither side", "of no instance", "succeeded", "failed"],
)
def test_any_other_migration_is_of_no_interest(raw: bytes) -> None:
    assert decode_migration(raw).item is None


def test_a_side_that_does_not_name_the_migration_does_not_hide_the_one_that_does() -> None:
    raw = _migration(sendTo={}, receive={"migrationID": "m1"})
    assert decode_migration(raw).item == Migration("m1", "vm", sends=False)


def test_who_sends_is_the_source_whatever_else_it_says() -> None:
    raw = _migration(receive={"migrationID": "m2"}, sendTo={"migrationID": "m1"})
    assert decode_migration(raw).item == Migration("m1", "vm", sends=True)


@pytest.mark.parametrize("decode", [decode_machine, decode_instance, decode_migration])
@pytest.mark.parametrize("version", [7, "", "0x7", "1_0", "7" * 5000])
def test_an_object_whose_version_is_no_number_is_none_of_ours(
    decode: Callable[[bytes], object], version: object
) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode(_object({}, resourceVersion=version))


WHOLE: dict[str, Json] = {
    "metadata": {
        "name": "a",
        "namespace": "ns",
        "uid": "u",
        "resourceVersion": "7",
        "ownerReferences": [dict(TO_VM)],
    },
    "spec": {
        "domain": {"devices": {"interfaces": [_interface("a", "02:00:00:00:00:01")]}},
        "template": {"spec": {"domain": {"devices": {"interfaces": [_interface("a", "02:00:00:00:00:01")]}}}},
        "vmiName": "vm",
        "sendTo": {"migrationID": "m1"},
        "receive": {"migrationID": "m1"},
    },
    "status": {"phase": "Running"},
}
"""What all of the decoders find something in."""


@given(damaged(WHOLE))
def test_no_json_raises_anything_but_the_errors_told(document: Json) -> None:
    raw = json.dumps(document).encode()
    for decode in (decode_machine, decode_instance, decode_migration):
        try:
            decode(raw)
        except (UnreadableObjectError, msgspec.ValidationError):
            continue


@given(JSON_VALUES, JSON_VALUES)
def test_no_interface_hides_the_address_of_another(before: Json, after: Json) -> None:
    for decode, write in ((decode_machine, _machine), (decode_instance, _instance)):
        item = decode(write(before, _interface("a", "02:00:00:00:00:01"), after)).item
        assert item is not None
        assert FIRST in item.addresses


@BOTH
def test_of_too_many_interfaces_the_first_256_count_and_the_number_is_told(
    decode: Decoder, write: Callable[..., bytes]
) -> None:
    nics = [_interface(f"n{number}", f"{0x020000000000 + number:012x}") for number in range(300)]
    addresses = tuple(range(0x020000000000, 0x020000000100))
    assert decode(write(*nics[:256])).item == CarriedAddresses(addresses)
    fault = "the list has 300 entries; only the first 256 are taken in"
    assert decode(write(*nics)).item == CarriedAddresses(addresses, fault)


@BOTH
def test_of_many_faults_ten_of_a_kind_are_told(decode: Decoder, write: Callable[..., bytes]) -> None:
    item = decode(write(*[5] * 20, *[_interface("n", "x")] * 20)).item
    assert item is not None
    first, second = item.fault.split("; and 10 more; ")
    assert first.startswith('interface 0: "5" is unreadable')
    assert second.startswith('interface "n": mac "x" is not a MAC address')
    assert second.endswith("; and 10 more")


@pytest.mark.parametrize(
    ("name", "shown"), [("n", '"n"'), (5, '"5"'), ([1], '"[1]"'), ("x" * 1000, '"' + "x" * 79 + '…"'), (None, '"null"')]
)
def test_an_interface_is_named_as_it_was_written(name: Json, shown: str) -> None:
    item = decode_instance(_instance({"name": name, "macAddress": "x"})).item
    assert item is not None
    assert item.fault.startswith(f"interface {shown}: mac ")


POD: dict[str, Json] = {"pod": {}}
MULTUS: dict[str, Json] = {"multus": {}}
CLAIM: dict[str, Json] = {"resourceClaim": {}}

BOUND: dict[str, tuple[dict[str, Json], object, bool]] = {
    "to Multus": ({"bridge": {}}, {"name": "a", **MULTUS}, True),
    "to the pod network by masquerade": ({"masquerade": {}}, {"name": "a", **POD}, True),
    "to the pod network by bridge": ({"bridge": {}}, {"name": "a", **POD}, False),
    "to the pod network by a plugin": ({"binding": {"name": "l2bridge"}}, {"name": "a", **POD}, False),
    "to the pod network, by no masquerade": ({"masquerade": None}, {"name": "a", **POD}, False),
    "to a network of another kind": ({"bridge": {}}, {"name": "a", **CLAIM}, True),
    "to nothing of its name": ({"bridge": {}}, {"name": "b", **POD}, True),
    "to what cannot be read": ({"bridge": {}}, {"name": "a", "pod": 5}, True),
    "by a name that is none": ({"bridge": {}, "name": 5}, {"name": "a", **POD}, True),
}


@BOTH
@pytest.mark.parametrize(("binding", "network", "counts"), BOUND.values(), ids=BOUND)
def test_an_address_on_the_pod_network_counts_only_where_that_is_served(
    decode: Decoder, write: Callable[..., bytes], binding: dict[str, Json], network: object, *, counts: bool
) -> None:
    raw = write({"name": "a", "macAddress": "02:00:00:00:00:01", **binding}).replace(
        b'"networks": []', b'"networks": [' + json.dumps(network).encode() + b"]"
    )
    item = decode(raw).item
    assert item == CarriedAddresses((FIRST,) if counts else ())
    serving = decoders(frozenset())[0 if decode is decode_machine else 1]
    assert serving(raw).item == CarriedAddresses((FIRST,))
    passing = decoders(NOT_OURS)[0 if decode is decode_machine else 1]
    assert passing(raw).item == item
