"""What the API server's question tells of a pod beside its networks."""

import contextlib
import json

import pytest
from hypothesis import given
from tests.unit.wire.strategies import Json, damaged

from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.networks import DEFAULT_NETWORK_ANNOTATION, NETWORKS_ANNOTATION
from kubemacpool.wire.pod_review import NetworkAnnotations, PodReview, decode_pod_review
from kubemacpool.wire.review import ReviewError

TO_VMI: dict[str, Json] = {
    "apiVersion": "kubevirt.io/v1",
    "kind": "VirtualMachineInstance",
    "name": "vm",
    "uid": "uid-vmi",
    "controller": True,
    "blockOwnerDeletion": True,
}
TO_POD: dict[str, Json] = {"apiVersion": "v1", "kind": "Pod", "name": "other", "uid": "uid-other"}


def question(**metadata: Json) -> dict[str, Json]:
    """A review of a pod."""
    return {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "request": {
            "uid": "r1",
            "kind": {"group": "", "version": "v1", "kind": "Pod"},
            "operation": "CREATE",
            "namespace": "ns",
            "object": {"metadata": {"name": "a", **metadata}},
        },
    }


def _read(**metadata: Json) -> PodReview:
    return decode_pod_review(json.dumps(question(**metadata)).encode())


@pytest.mark.parametrize(
    ("annotations", "sticky"),
    [
        (None, None),
        ({}, None),
        ({"kubemacpool.io/sticky": "true"}, "true"),
        ({"kubemacpool.io/sticky": ""}, ""),
        ({"kubemacpool.io/sticky": "maybe"}, "maybe"),
    ],
)
def test_whether_a_pod_asks_for_the_same_addresses_each_time_is_told_as_written(
    annotations: Json, sticky: str | None
) -> None:
    assert _read(annotations=annotations).sticky == sticky


@pytest.mark.parametrize("references", [[TO_VMI], [TO_POD, TO_VMI]], ids=["alone", "beside another"])
def test_the_instance_that_controls_a_launcher_pod_is_told(references: list[Json]) -> None:
    assert _read(ownerReferences=references).owner == OwnerReference("VirtualMachineInstance", "vm", "uid-vmi")


@pytest.mark.parametrize(
    "references",
    [
        None,
        [],
        [TO_POD],
        [{**TO_VMI, "controller": False}],
        [{**TO_VMI, "kind": "VirtualMachine"}],
        [{**TO_VMI, "apiVersion": "apps/v1"}],
        [{**TO_VMI, "apiVersion": "kubevirt.io"}],
    ],
    ids=["null", "none", "another kind", "no controller", "a machine", "another group", "no version"],
)
def test_any_other_owner_is_none(references: Json) -> None:
    assert _read(ownerReferences=references).owner is None


@given(
    damaged(question(ownerReferences=[dict(TO_VMI)], annotations={"kubemacpool.io/sticky": "true"}, generateName="a"))
)
def test_no_review_raises_anything_but_the_error_told(review: Json) -> None:
    with contextlib.suppress(ReviewError):
        decode_pod_review(json.dumps(review).encode())


def test_a_change_tells_what_was_before_and_which_pod_it_is() -> None:
    review = question(uid="u1", annotations={NETWORKS_ANNOTATION: "new", DEFAULT_NETWORK_ANNOTATION: "d"})
    request = review["request"]
    assert isinstance(request, dict)
    request |= {"operation": "UPDATE", "oldObject": {"metadata": {"annotations": {NETWORKS_ANNOTATION: "old"}}}}
    read = decode_pod_review(json.dumps(review).encode())
    assert read.annotations == NetworkAnnotations("new", "d")
    assert (read.old, read.object_uid, read.ending) == (NetworkAnnotations("old"), "u1", False)
    request["oldObject"] = {"metadata": {}}
    assert decode_pod_review(json.dumps(review).encode()).old == NetworkAnnotations()


def test_a_creation_has_nothing_before() -> None:
    read = _read(uid="u1")
    assert (read.old, read.object_uid, read.ending) == (None, "", False)


@pytest.mark.parametrize(
    ("phase", "deleted", "ending"),
    [
        ("Running", None, False),
        ("Succeeded", None, True),
        ("Failed", None, True),
        ("Running", "now", True),
        (None, None, False),
    ],
)
def test_whether_a_pod_is_ending_is_told(phase: Json, deleted: Json, *, ending: bool) -> None:
    review = question(deletionTimestamp=deleted)
    request = review["request"]
    assert isinstance(request, dict)
    pod = request["object"]
    assert isinstance(pod, dict)
    pod["status"] = {"phase": phase}
    assert decode_pod_review(json.dumps(review).encode()).ending == ending
