"""The Lease: what others wrote is read or refused with its reason, and what we write is read again as it was."""

import json
from collections.abc import Mapping
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.strategies import ADDRESSES
from tests.unit.wire.strategies import REVIEW_BODIES, TEXTS

from kubemacpool.core.addresses import parse_address
from kubemacpool.wire.lease import MOST_LISTED, LeaseRecord, decode_lease, lease_patch, new_lease, read_lease
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.objects import ObjectIdentity

METADATA = {"name": "kubemacpool-leader", "namespace": "ns", "uid": "u1", "resourceVersion": "41"}
VIRGIN = LeaseRecord("", "", 0, 0, frozenset(), {}, None, "41")
RENEWED = "2026-01-02T03:04:05.000006Z"


def lease(spec: Mapping[str, object] | None = None, /, **annotations: str) -> bytes:
    """A Lease with these of our annotations, named by the last part of their names."""
    ours = {f"kubemacpool.io/{name}": text for name, text in annotations.items()}
    document: dict[str, object] = {"kind": "Lease", "metadata": {**METADATA, "annotations": {"other": "x", **ours}}}
    if spec is not None:
        document["spec"] = spec
    return json.dumps(document).encode()


def at(number: int) -> int:
    """The address 02:00:00:00:00:00 + number."""
    return 0x02_00_00_00_00_00 + number


def patched(document: bytes, patch: bytes) -> bytes:
    """What the API server makes of a merge patch (RFC 7386)."""

    def merge(target: Any, change: Any) -> Any:  # noqa: ANN401 (any JSON)
        if not isinstance(change, dict):
            return change
        merged = dict(target) if isinstance(target, dict) else {}
        for name, value in change.items():
            if value is None:
                merged.pop(name, None)
            else:
                merged[name] = merge(merged.get(name), value)
        return merged

    return json.dumps(merge(json.loads(document), json.loads(patch))).encode()


# Reading


def test_a_lease_that_nobody_has_held_names_nothing() -> None:
    assert read_lease(lease()) == VIRGIN
    assert read_lease(json.dumps({"metadata": METADATA}).encode()) == VIRGIN
    assert read_lease(json.dumps({"metadata": {**METADATA, "annotations": None}, "spec": {}}).encode()) == VIRGIN


def test_everything_that_is_written_is_read() -> None:
    spec = {"holderIdentity": "a_1", "leaseDurationSeconds": 5, "leaseTransitions": 7, "renewTime": RENEWED}
    annotations = {
        "format": "1",
        "reserved": "02:00:00:00:00:01-02:00:00:00:00:03,0a:00:00:00:00:10",
        "observed": "Pod=12345,VirtualMachine=7",
        "last-allocated": "02:00:00:00:00:09",
        "endpoint": "10.0.0.1:8000",
    }
    assert read_lease(lease(spec, **annotations)) == LeaseRecord(
        "a_1",
        "10.0.0.1:8000",
        7,
        5,
        frozenset({at(1), at(2), at(3), parse_address("0a:00:00:00:00:10")}),
        {"Pod": 12345, "VirtualMachine": 7},
        at(9),
        "41",
    )


def test_a_lease_that_was_handed_over_has_no_holder() -> None:
    record = read_lease(lease({"holderIdentity": "", "leaseTransitions": 3}, endpoint=""))
    assert (record.holder, record.endpoint, record.transitions) == ("", "", 3)
    nulls = {"holderIdentity": None, "leaseTransitions": None, "leaseDurationSeconds": None}
    assert read_lease(lease(nulls)) == VIRGIN


def test_annotations_of_before_there_was_a_format_are_read_like_the_first() -> None:
    assert read_lease(lease(reserved="02:00:00:00:00:01")).reserved == {at(1)}


@pytest.mark.parametrize(("text", "names"), [("", set()), (",", set()), ("02:00:00:00:00:01,", {at(1)})])
def test_nothing_between_commas_is_nothing(text: str, names: set[int]) -> None:
    assert read_lease(lease(reserved=text, seen=",")) == VIRGIN._replace(reserved=frozenset(names))


def test_a_watch_tells_which_lease_it_is_and_its_version() -> None:
    decoded = decode_lease(lease({"holderIdentity": "a"}))
    assert decoded.identity == ObjectIdentity("ns", "kubemacpool-leader", "u1")
    assert decoded.resource_version == 41
    assert decoded.item == VIRGIN._replace(holder="a")


FAULTS = {
    "a newer format": ({"format": "3"}, "kubemacpool.io/format is 3, and this program understands up to 2"),
    "no number for a format": ({"format": "one"}, 'kubemacpool.io/format is "one", which is not a number'),
    "a format in other digits": ({"format": "\u0661"}, "which is not a number"),
    "an empty format": ({"format": ""}, 'kubemacpool.io/format is "", which is not a number'),
    "a format of too many digits": ({"format": "9" * 5_000}, "which is not a number"),
    "no address": ({"reserved": "hello"}, 'kubemacpool.io/reserved has "hello": not a MAC address'),
    "no address behind a good one": ({"reserved": "02:00:00:00:00:01,x"}, 'kubemacpool.io/reserved has "x": not a MAC'),
    "a range without a beginning": (
        {"reserved": "-02:00:00:00:00:01"},
        'kubemacpool.io/reserved has "": not a MAC address',
    ),
    "a range with a wrong end": (
        {"reserved": "02:00:00:00:00:01-y"},
        'kubemacpool.io/reserved has "y": not a MAC address',
    ),
    "a range the wrong way round": (
        {"reserved": "02:00:00:00:00:02-02:00:00:00:00:01"},
        'reserved has "02:00:00:00:00:02-02:00:00:00:00:01", which names no or too many addresses',
    ),
    "everything": (
        {"reserved": "00:00:00:00:00:00-ff:ff:ff:ff:ff:ff"},
        'reserved has "00:00:00:00:00:00-ff:ff:ff:ff:ff:ff", which names no or too many addresses',
    ),
    "no version": ({"observed": "Pod"}, 'kubemacpool.io/observed has "Pod", which is no resourceVersion'),
    "an empty version": ({"observed": "Pod=1,VirtualMachine="}, 'observed has "VirtualMachine=", which is no'),
    "a negative version": ({"observed": "Pod=-1"}, 'observed has "Pod=-1", which is no resourceVersion'),
    "a version of too many digits": ({"observed": "Pod=" + "9" * 5_000}, "which is no resourceVersion"),
    "a last address that is none": (
        {"last-allocated": "x"},
        'kubemacpool.io/last-allocated has "x": not a MAC address',
    ),
    "an empty last address": ({"last-allocated": ""}, 'kubemacpool.io/last-allocated has "": not a MAC address'),
}


@pytest.mark.parametrize(("annotations", "fault"), FAULTS.values(), ids=FAULTS)
def test_an_annotation_that_cannot_be_read_is_named_and_who_holds_the_lease_is_known(
    annotations: dict[str, str], fault: str
) -> None:
    """What is wrong about one annotation makes all of them worth nothing: half of the names would be too few."""
    good = {
        "format": "1",
        "reserved": "02:00:00:00:00:07",
        "observed": "Pod=9",
        "last-allocated": "02:00:00:00:00:09",
        "endpoint": "e:1",
    }
    spec = {"holderIdentity": "a", "leaseTransitions": 7, "leaseDurationSeconds": 15}
    record = read_lease(lease(spec, **{**good, **annotations}))
    assert fault in record.fault
    assert record.fault.startswith("annotation kubemacpool.io/")
    assert len(record.fault) < 200
    assert record._replace(fault="") == LeaseRecord("a", "e:1", 7, 15, frozenset(), {}, None, "41")


def test_as_many_names_are_read_as_anybody_should_expand_and_no_more() -> None:
    first, most = "02:00:00:00:00:00", "02:00:00:0f:ff:ff"
    assert len(read_lease(lease(reserved=f"{first}-{most}")).reserved) == MOST_LISTED
    assert read_lease(lease(reserved=f"{first}-{most},0a:00:00:00:00:00")).fault


NO_LEASES = {
    "not JSON": b"hello",
    "a list": b"[]",
    "nothing": b"{}",
    "no resourceVersion": b'{"metadata":{"name":"a","uid":"u"}}',
    "a number for a holder": lease({"holderIdentity": 1}),
    "a text for a term": lease({"leaseTransitions": "1"}),
    "a text for a resourceVersion": b'{"metadata":{"name":"a","uid":"u","resourceVersion":"x"}}',
    "a resourceVersion that no number holds": b'{"metadata":{"name":"a","uid":"u","resourceVersion":"%s"}}'
    % (b"9" * 5000),
    "no UTF-8": b'{"metadata":{"name":"\xff"}}',
    "nested without end": b"[" * 100_000,
}


@pytest.mark.parametrize("body", NO_LEASES.values(), ids=NO_LEASES)
def test_what_is_no_lease_is_refused(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"^not a Lease \("):
        read_lease(body)


@given(REVIEW_BODIES)
def test_no_body_raises_anything_but_the_error_told(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError):
        read_lease(body)


@pytest.mark.parametrize(
    "body", [b"[]", b"{}", NO_LEASES["a text for a resourceVersion"], lease({"holderIdentity": 1})]
)
def test_a_watch_refuses_what_is_no_lease(body: bytes) -> None:
    with pytest.raises(msgspec.ValidationError):
        decode_lease(body)


@given(st.dictionaries(st.sampled_from(["format", "reserved", "observed", "last-allocated", "endpoint"]), TEXTS))
def test_whatever_somebody_wrote_into_the_annotations_the_lease_is_read(annotations: dict[str, str]) -> None:
    record = read_lease(lease({"holderIdentity": "a"}, **annotations))
    assert (record.holder, record.resource_version) == ("a", "41")


# Writing

RECORDS = st.builds(
    LeaseRecord,
    holder=TEXTS,
    endpoint=TEXTS,
    transitions=st.integers(0, 2**31 - 1),
    duration=st.integers(0, 3600),
    reserved=st.frozensets(ADDRESSES | st.integers(at(0), at(30)), max_size=40),
    seen=st.dictionaries(st.sampled_from(["Pod", "VirtualMachine", "VirtualMachineInstance"]), st.integers(0, 2**63)),
    last=st.none() | ADDRESSES,
    resource_version=st.just("41"),
    fault=st.just(""),
)


@given(RECORDS, RECORDS)
def test_what_is_written_over_anything_is_read_again_as_it_was(before: LeaseRecord, record: LeaseRecord) -> None:
    written = patched(patched(lease(), lease_patch(before, RENEWED, RENEWED)), lease_patch(record, RENEWED, None))
    assert read_lease(written) == record


def test_a_write_holds_only_for_the_version_that_was_read() -> None:
    assert json.loads(lease_patch(VIRGIN, RENEWED, None))["metadata"]["resourceVersion"] == "41"


def test_a_write_tells_people_when_it_was_made_and_since_when_the_lease_is_held() -> None:
    first = json.loads(lease_patch(VIRGIN._replace(holder="a", transitions=1, duration=5), RENEWED, RENEWED))["spec"]
    assert first == {
        "holderIdentity": "a",
        "leaseDurationSeconds": 5,
        "leaseTransitions": 1,
        "renewTime": RENEWED,
        "acquireTime": RENEWED,
    }
    assert "acquireTime" not in json.loads(lease_patch(VIRGIN, RENEWED, None))["spec"]


def test_what_others_keep_in_the_lease_stays() -> None:
    written = json.loads(patched(lease(), lease_patch(VIRGIN, RENEWED, None)))
    assert written["metadata"]["annotations"]["other"] == "x"


RUNS = {
    "nothing": ((), ""),
    "one": ((5,), "02:00:00:00:00:05"),
    "neighbours": ((7, 5, 6), "02:00:00:00:00:05-02:00:00:00:00:07"),
    "both": ((9, 1, 2, 5), "02:00:00:00:00:01-02:00:00:00:00:02,02:00:00:00:00:05,02:00:00:00:00:09"),
}


@pytest.mark.parametrize(("reserved", "text"), RUNS.values(), ids=RUNS)
def test_neighbours_are_named_as_a_range(reserved: tuple[int, ...], text: str) -> None:
    patch = json.loads(lease_patch(VIRGIN._replace(reserved=frozenset(map(at, reserved))), RENEWED, None))
    assert patch["metadata"]["annotations"]["kubemacpool.io/reserved"] == text


def test_the_annotations_say_their_format_and_what_is_not_known_is_taken_away() -> None:
    record = VIRGIN._replace(seen={"VirtualMachine": 7, "Pod": 12})
    assert json.loads(lease_patch(record, RENEWED, None))["metadata"]["annotations"] == {
        "kubemacpool.io/format": "2",
        "kubemacpool.io/reserved": "",
        "kubemacpool.io/observed": "Pod=12,VirtualMachine=7",
        "kubemacpool.io/last-allocated": None,
        "kubemacpool.io/endpoint": "",
    }


def test_a_new_lease_is_nobodys() -> None:
    assert json.loads(new_lease("ns")) == {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "kubemacpool-leader", "namespace": "ns"},
    }
