import json

import msgspec
import pytest
from hypothesis import given
from tests.unit.wire.strategies import Json, damaged

from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.networks import DEFAULT_NETWORK_ANNOTATION, NETWORKS_ANNOTATION
from kubemacpool.wire.objects import CarriedAddresses, Decoded, ObjectIdentity, UnreadableObjectError
from kubemacpool.wire.pods import LONGEST_REMEMBERED, MOST_REMEMBERED, STATUS_ANNOTATION, PodDecoder, read_attached

IDENTITY = ObjectIdentity("ns1", "samplepod", "u1")


def decode_pod(raw: bytes) -> Decoded[CarriedAddresses]:
    """Read one pod by itself."""
    return PodDecoder()(raw)


def _pod(networks: str | None, **metadata: object) -> bytes:
    annotations = {"other": "x"} if networks is None else {"other": "x", NETWORKS_ANNOTATION: networks}
    document = {
        "apiVersion": "meta.k8s.io/v1",
        "kind": "PartialObjectMetadata",
        "metadata": {
            "name": "samplepod",
            "namespace": "ns1",
            "uid": "u1",
            "resourceVersion": "77",
            "labels": {"a": "b"},
            "annotations": annotations,
            **metadata,
        },
    }
    return json.dumps(document).encode()


CARRIED = {
    "one": ('[{"name":"a","mac":"02:00:00:00:00:01"}]', (0x020000000001,), ""),
    "several, in any spelling": (
        '[{"mac":"02-00-00-00-00-AB"},{"name":"b"},{"MAC":"0200.0000.00cd"},{"mac":"020000000001"}]',
        (0x0200000000AB, 0x0200000000CD, 0x020000000001),
        "",
    ),
    "the same twice": ('[{"mac":"02:00:00:00:00:01"},{"mac":"02-00-00-00-00-01"}]', (0x020000000001,), ""),
    "one that cannot be read beside one that can": (
        '[{"name":"a","mac":"zz"},{"mac":"02:00:00:00:00:01"}]',
        (0x020000000001,),
        'entry 0 ("a"): mac "zz" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01',
    ),
    "two that cannot be read": (
        '[{"name":"a","mac":"1"},{"mac":"2"}]',
        (),
        (
            'entry 0 ("a"): mac "1" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01; '
            'entry 1 (""): mac "2" is not a MAC address of 6 bytes; write it like 02:00:00:00:00:01'
        ),
    ),
}


@pytest.mark.parametrize(("networks", "addresses", "fault"), CARRIED.values(), ids=CARRIED)
def test_a_pod_tells_the_addresses_that_it_carries(networks: str, addresses: tuple[int, ...], fault: str) -> None:
    assert decode_pod(_pod(networks)) == Decoded(IDENTITY, 77, CarriedAddresses(addresses, fault))


@pytest.mark.parametrize(
    "networks", [None, "", "net1,ns/net2@if0", "[]", '[{"name":"a"}]', '[{"mac":""},{"mac":null}]']
)
def test_a_pod_without_addresses_is_of_no_interest(networks: str | None) -> None:
    assert decode_pod(_pod(networks)) == Decoded(IDENTITY, 77, None, remnant=CarriedAddresses(()))


def test_a_launcher_pod_that_has_lost_its_addresses_still_tells_whose_it_is() -> None:
    remnant = decode_pod(_pod(None, ownerReferences=[TO_VMI])).remnant
    assert remnant == CarriedAddresses((), owner=OwnerReference("VirtualMachineInstance", "vm", "uid-vmi"))


DEFAULT = '[{"name":"x","mac":"02:00:00:00:00:02"}]'


def _annotated(**more: object) -> bytes:
    names = {"networks": NETWORKS_ANNOTATION, "default": DEFAULT_NETWORK_ANNOTATION, "status": STATUS_ANNOTATION}
    annotations = {names[key]: more.pop(key) for key in [*more] if key in names}
    return _pod(None, annotations=annotations, **more)


def test_every_place_of_an_address_counts() -> None:
    networks = '[{"mac":"02:00:00:00:00:01","cni-args":{"mac":"02:00:00:00:00:03"}},{"cni-args":{"mac":"zz"}}]'
    item = decode_pod(_annotated(networks=networks, default=DEFAULT)).item
    assert item is not None
    assert item.addresses == (0x020000000001, 0x020000000003, 0x020000000002)
    assert item.fault.startswith('entry 1 (""), cni-args: mac "zz" is not')
    item = decode_pod(_annotated(default=DEFAULT.replace("02:", "zz:", 1))).item
    assert item is not None
    assert item.fault.startswith(f'entry 0 ("x") of {DEFAULT_NETWORK_ANNOTATION}: mac ')


def test_two_addresses_an_entry_are_as_many_as_two_entries() -> None:
    both = [f'{{"mac":"{2 * n:012x}","cni-args":{{"mac":"{2 * n + 1:012x}"}}}}' for n in range(1, 130)]
    item = decode_pod(_annotated(networks=f"[{','.join(both)}]")).item
    assert item is not None
    assert item.addresses == tuple(range(2, 258))
    assert item.fault == "the list has 258 entries; only the first 256 are taken in"


def test_the_default_network_of_a_launcher_pod_counts_where_the_pod_network_is_served() -> None:
    raw = _annotated(default=DEFAULT, ownerReferences=[TO_VMI])
    assert PodDecoder(pod_network=False)(raw).item is None
    served = PodDecoder(pod_network=True)(raw).item
    assert served is not None
    assert served.addresses == (0x020000000002,)
    assert PodDecoder(pod_network=False)(_annotated(default="[broken", ownerReferences=[TO_VMI])).item is None


ONE = '[{"name":"a","mac":"02:00:00:00:00:01"}]'
TWO = '[{"name":"a","mac":"02:00:00:00:00:02"}]'


def test_annotations_that_are_as_they_were_are_not_read_again() -> None:
    decode = PodDecoder()
    first = decode(_pod(ONE, resourceVersion="7")).item
    again = decode(_pod(ONE, resourceVersion="8", labels={"new": "x"}))
    assert again.item is first
    assert again.resource_version == 8
    assert decode(_pod(ONE, uid="u2")).item is not first


def test_whatever_has_changed_is_read_again() -> None:
    decode = PodDecoder()
    status = json.dumps([{"name": "ns/net", "mac": "02:00:00:00:00:09"}])
    steps: list[tuple[bytes, tuple[int, ...], tuple[int, ...] | None, bool]] = [
        (_pod(ONE), (0x020000000001,), None, False),
        (_pod(TWO), (0x020000000002,), None, False),
        (_pod(TWO, ownerReferences=[TO_VMI]), (0x020000000002,), None, True),
        (_annotated(networks=TWO, status=status), (0x020000000002,), (0x020000000009,), False),
        (_pod(ONE), (0x020000000001,), None, False),
    ]
    for raw, addresses, attached, owned in steps:
        item = decode(raw).item
        assert item is not None
        assert (item.addresses, item.attached, item.owner is not None) == (addresses, attached, owned)
    with pytest.raises(UnreadableObjectError):
        decode(_pod("[broken"))
    assert decode(_pod(ONE)).item == CarriedAddresses((0x020000000001,))
    assert decode(_pod(None)).item is None


def test_long_annotations_and_many_pods_are_not_remembered() -> None:
    decode = PodDecoder()
    long = f'[{{"name":"a","mac":"02:00:00:00:00:01"{" " * LONGEST_REMEMBERED}}}]'
    assert decode(_pod(long)).item is not decode(_pod(long)).item
    first = decode(_pod(ONE, uid="first")).item
    for number in range(MOST_REMEMBERED - 1):
        decode(_pod(TWO, uid=str(number)))
    assert decode(_pod(ONE, uid="first")).item is first
    decode(_pod(TWO, uid="one more"))
    assert decode(_pod(ONE, uid="first")).item is not first


def _attachment(name: str, mac: str = "02:00:00:00:00:09", **more: object) -> dict[str, object]:
    return {"name": name, "mac": mac, **more}


ATTACHED: dict[str, tuple[object, tuple[int, ...] | None]] = {
    "nothing": (None, None),
    "an empty text": ("", None),
    "the default network": ([_attachment("cbr0", default=True)], ()),
    "a primary network that is not said to be the default one": ([_attachment("ovn-kubernetes")], ()),
    "a default one that has a namespace": ([_attachment("ns/net", default=True)], ()),
    "a secondary one": (
        [_attachment("cbr0", "02:00:00:00:00:08"), _attachment("ns/net", default=False)],
        (0x020000000009,),
    ),
    "escaped": ('[{"name":"ns\\u002fnet","mac":"02:00:00:00:00:09"}]', (0x020000000009,)),
    "the same twice": ([_attachment("ns/a"), _attachment("ns/b")], (0x020000000009,)),
    "one without an address": ([_attachment("ns/net", ""), {"name": "ns/net"}, {"name": "ns/x", "mac": None}], ()),
    "one of InfiniBand": ([_attachment("ns/net", "00:" * 19 + "01"), _attachment("ns/b")], (0x020000000009,)),
    "one that is made from the IP address": ([_attachment("ns/net", "0a:58:0a:80:00:05")], ()),
    "one without a name": ([{"mac": "02:00:00:00:00:09"}, {"name": None, "mac": "02:00:00:00:00:09", "a": "/"}], ()),
    "null": ("null /", None),
    "no JSON": ("a/b", None),
    "no list": ({"a": "/"}, None),
    "something else in it": ([5, "/"], None),
    "nested too deeply": ("[" * 100_000 + '"/"' + "]" * 100_000, None),
    "too many": ([_attachment("ns/net")] * 257, None),
    "just not too many": ([_attachment("ns/net")] * 256, (0x020000000009,)),
}


@pytest.mark.parametrize(("status", "attached"), ATTACHED.values(), ids=ATTACHED)
def test_what_secondary_interfaces_have_is_told(status: object, attached: tuple[int, ...] | None) -> None:
    text = status if status is None or isinstance(status, str) else json.dumps(status)
    assert read_attached(text, ()) == attached


def test_an_address_that_is_made_from_an_ip_address_counts_where_the_pod_carries_it() -> None:
    mac = "0a:58:0a:80:00:05"
    raw = _annotated(networks=f'[{{"mac":"{mac}"}}]', status=json.dumps([_attachment("ns/net", mac)]))
    assert decode_pod(raw).item == CarriedAddresses((0x0A580A800005,), attached=(0x0A580A800005,))


def test_a_pod_that_has_an_interface_with_an_address_is_of_interest_whatever_it_asks_for() -> None:
    item = decode_pod(_annotated(networks="net1", status=json.dumps([_attachment("ns/net1")]))).item
    assert item == CarriedAddresses((), attached=(0x020000000009,))


def test_a_pod_that_has_the_default_network_only_is_of_no_interest_any_more() -> None:
    decoded = decode_pod(_annotated(status=json.dumps([_attachment("cbr0", default=True)])))
    assert (decoded.item, decoded.remnant) == (None, CarriedAddresses((), attached=()))


@pytest.mark.parametrize("annotations", [None, {}])
def test_a_pod_without_annotations_is_of_no_interest(annotations: object) -> None:
    assert decode_pod(_pod(None, annotations=annotations)).item is None


def test_bytes_within_a_longer_message_are_read_as_well() -> None:
    assert decode_pod(msgspec.Raw(_pod(None))).identity == IDENTITY


@pytest.mark.parametrize("networks", ["{}", '[{"mac":5}]', "[" * 100_000])
def test_a_pod_whose_annotation_cannot_be_read_is_named_with_its_version(networks: str) -> None:
    with pytest.raises(UnreadableObjectError) as caught:
        decode_pod(_pod(networks))
    error = caught.value
    assert (error.identity, error.resource_version) == (IDENTITY, 77)
    assert str(error) == f"ns1/samplepod: {error.reason}"
    assert len(error.reason) < 300


TO_VMI: dict[str, Json] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "name": "vm",
    "uid": "uid-vmi",
    "controller": True,
}
CARRYING = '[{"name":"a","mac":"02:00:00:00:00:01"}]'


@pytest.mark.parametrize(
    ("references", "owner"),
    [
        ([TO_VMI], OwnerReference("VirtualMachineInstance", "vm", "uid-vmi")),
        ([{**TO_VMI, "controller": False}], None),
        ([{**TO_VMI, "apiVersion": "apps/v1", "kind": "ReplicaSet"}], None),
        ([{**TO_VMI, "kind": "VirtualMachine"}], None),
        (None, None),
    ],
    ids=["an instance", "not its controller", "a ReplicaSet", "a machine", "nobody"],
)
def test_a_launcher_pod_tells_whose_it_is(references: Json, owner: OwnerReference | None) -> None:
    carried = decode_pod(_pod(CARRYING, ownerReferences=references)).item
    assert carried == CarriedAddresses((0x020000000001,), "", owner)


@given(damaged(json.loads(_pod(CARRYING, ownerReferences=[TO_VMI]))))
def test_no_json_raises_anything_but_the_errors_told(document: Json) -> None:
    try:
        decode_pod(json.dumps(document).encode())
    except (UnreadableObjectError, msgspec.ValidationError):
        return


@pytest.mark.parametrize(
    "raw",
    [
        b"{}",
        b'{"metadata":{}}',
        b"[]",
        b'{"metadata":{"name":5}}',
        b'{"metadata":{"name":"a","uid":"u","resourceVersion":"x"}}',
    ],
)
def test_what_has_no_metadata_is_no_object(raw: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_pod(raw)


def test_of_too_many_entries_the_first_256_count_and_the_number_is_told() -> None:
    entries = [f'{{"mac":"{0x020000000000 + number:012x}"}}' for number in range(300)]
    item = decode_pod(_pod(f"[{','.join(entries[:256])}]")).item
    assert item == CarriedAddresses(tuple(range(0x020000000000, 0x020000000100)))
    item = decode_pod(_pod(f"[{','.join(entries)}]")).item
    fault = "the list has 300 entries; only the first 256 are taken in"
    assert item == CarriedAddresses(tuple(range(0x020000000000, 0x020000000100)), fault)


def test_of_many_faults_ten_are_told() -> None:
    entry = '{"mac":"x"}'
    item = decode_pod(_pod(f"[{','.join([entry] * 257)}]")).item
    assert item is not None
    assert item.fault.startswith("the list has 257 entries; only the first 256 are taken in; entry 0")
    assert item.fault.endswith("; and 246 more")
