import json
from base64 import b64decode

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.wire.strategies import REVIEW_BODIES, TEXTS

from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wire.pod_review import NetworkAnnotations, PodReview, decode_pod_review
from kubemacpool.wire.review import MAX_WARNING, ReviewError, decode_uid, encode_allowed, encode_denied

Review = dict[str, object]


def _review(pod: object, **request: object) -> bytes:
    asked = {
        "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "resource": {"group": "", "version": "v1", "resource": "pods"},
        "namespace": "default",
        "operation": "CREATE",
        "userInfo": {"username": "admin"},
        "object": pod,
        "oldObject": None,
        "dryRun": False,
        "options": {"kind": "CreateOptions", "apiVersion": "meta.k8s.io/v1"},
        **request,
    }
    return json.dumps({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked}).encode()


def _pod(**metadata: object) -> Review:
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": []}}


UID = "705ab4f5-6393-11e8-b7cc-42010a800002"
NAMED = {"name": "samplepod", "annotations": {"a": "b", NETWORKS_ANNOTATION: "net1"}}

UNDERSTOOD = {
    "a named pod": (
        _review(_pod(**NAMED)),
        PodReview(UID, "default", "samplepod", "", NetworkAnnotations("net1"), dry_run=False),
    ),
    "a pod that the API server has yet to name": (
        _review(_pod(generateName="web-")),
        PodReview(UID, "default", "", "web-", NetworkAnnotations(), dry_run=False),
    ),
    "a name that only the request has": (
        _review(_pod(), name="samplepod"),
        PodReview(UID, "default", "samplepod", "", NetworkAnnotations(), dry_run=False),
    ),
    "other annotations only": (
        _review(_pod(name="a", annotations={"a": "b"})),
        PodReview(UID, "default", "a", "", NetworkAnnotations(), dry_run=False),
    ),
    "annotations null": (
        _review(_pod(name="a", annotations=None)),
        PodReview(UID, "default", "a", "", NetworkAnnotations(), dry_run=False),
    ),
    "an object without metadata": (
        _review({}, name="a"),
        PodReview(UID, "default", "a", "", NetworkAnnotations(), dry_run=False),
    ),
    "a dry run": (
        _review(_pod(name="a"), dryRun=True),
        PodReview(UID, "default", "a", "", NetworkAnnotations(), dry_run=True),
    ),
    "dry run null": (
        _review(_pod(name="a"), dryRun=None),
        PodReview(UID, "default", "a", "", NetworkAnnotations(), dry_run=False),
    ),
    "the pod's namespace is the request's": (
        _review(_pod(name="a", namespace="liar"), namespace="honest"),
        PodReview(UID, "honest", "a", "", NetworkAnnotations(), dry_run=False),
    ),
}


@pytest.mark.parametrize(("body", "expected"), UNDERSTOOD.values(), ids=UNDERSTOOD)
def test_a_review_of_a_new_pod_is_read(body: bytes, expected: PodReview) -> None:
    assert decode_pod_review(body) == expected


def _other(old: str, new: str) -> bytes:
    return _review(_pod(name="a")).replace(old.encode(), new.encode())


REFUSED = {
    "nothing": (b"", "not an AdmissionReview"),
    "no JSON": (b"<html>", "not an AdmissionReview"),
    "no UTF-8": (b'{"apiVersion":"\xff"}', "not an AdmissionReview"),
    "another type of JSON": (b"[]", "not an AdmissionReview"),
    "two documents": (_review(_pod(name="a")) * 2, "not an AdmissionReview"),
    "nested too deeply": (b"[" * 100_000, "not an AdmissionReview"),
    "nested too deeply in the pod": (
        _review(_pod(name="a")).replace(b'"containers": []', b'"containers": ' + b"[" * 100_000 + b"]" * 100_000),
        "not an AdmissionReview",
    ),
    "half a surrogate pair": (_other('"admin"', '"admin"').replace(b'"a"', b'"\\ud800"'), "not an AdmissionReview"),
    "no request": (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview"}', "`request`"),
    "no uid": (_other('"uid"', '"ui"'), "`uid`"),
    "uid null": (_review(_pod(name="a"), uid=None), "uid"),
    "an answer": (b'{"apiVersion":"admission.k8s.io/v1","kind":"AdmissionReview","response":{}}', "`request`"),
    "an older version": (
        _other("admission.k8s.io/v1", "admission.k8s.io/v1beta1"),
        'the body is "AdmissionReview" of "admission.k8s.io/v1beta1"; expected AdmissionReview of admission.k8s.io/v1',
    ),
    "another kind of document": (
        _other('"kind": "AdmissionReview"', '"kind": "ConversionReview"'),
        'the body is "ConversionReview" of "admission.k8s.io/v1"',
    ),
    "another kind": (
        _review({}, kind={"group": "", "version": "v1", "kind": "Service"}),
        (
            'asked about "CREATE" of "Service", but only CREATE and UPDATE of Pod is answered here; '
            "correct the rules of MutatingWebhookConfiguration kubemacpool-mutator"
        ),
    ),
    "the same kind of another group": (
        _review({}, kind={"group": "metrics.k8s.io", "version": "v1", "kind": "Pod"}),
        'asked about "CREATE" of "Pod.metrics.k8s.io"',
    ),
    "another operation": (_review(_pod(name="a"), operation="CONNECT"), 'asked about "CONNECT" of "Pod"'),
    "a deletion": (_review(None, operation="DELETE"), 'asked about "DELETE" of "Pod"'),
    "no object": (_review(None), "asked about a Pod, but `request.object` is missing"),
    "an annotation that is no text": (_review(_pod(annotations={NETWORKS_ANNOTATION: 5})), "str"),
}


@pytest.mark.parametrize(("body", "message"), REFUSED.values(), ids=REFUSED)
def test_what_is_no_such_review_is_refused_with_the_reason(body: bytes, message: str) -> None:
    with pytest.raises(ReviewError) as caught:
        decode_pod_review(body)
    assert message in str(caught.value)


def test_a_message_quotes_only_the_beginning_of_what_was_sent() -> None:
    with pytest.raises(ReviewError) as caught:
        decode_pod_review(_review({}, operation="X" * 100_000))
    assert len(str(caught.value)) < 400


@given(REVIEW_BODIES)
def test_no_body_raises_anything_but_the_error_told(body: bytes) -> None:
    try:
        review = decode_pod_review(body)
    except ReviewError:
        return
    assert isinstance(review, PodReview)


@given(TEXTS, st.one_of(st.none(), st.binary(max_size=30)), st.lists(TEXTS, max_size=3))
def test_yes_is_what_the_api_reference_says(uid: str, patch: bytes | None, warnings: list[str]) -> None:
    document = json.loads(encode_allowed(uid, patch, warnings))
    response = document.pop("response")
    assert document == {"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview"}
    assert response.pop("uid") == uid
    assert response.pop("allowed") is True
    if patch is not None:
        assert response.pop("patchType") == "JSONPatch"
        assert b64decode(response.pop("patch"), validate=True) == patch
    if warnings:
        assert response.pop("warnings") == warnings
    assert response == {}, "an empty patch or list of warnings is not said"


@pytest.mark.parametrize(
    ("body", "uid"),
    [
        (_review(_pod(**NAMED)), UID),
        (_review({}, kind={"group": "apps", "kind": "Deployment"}), UID),
        (b"", ""),
        (b'"\xff"', ""),
        (b'{"request":null}', ""),
        (b"[" * 100_000, ""),
    ],
    ids=["a pod", "anything else", "empty", "no UTF-8", "no request", "nested without end"],
)
def test_the_uid_of_a_request_is_read_whatever_it_asks_about(body: bytes, uid: str) -> None:
    assert decode_uid(body) == uid


def test_no_is_what_the_api_reference_says() -> None:
    assert json.loads(encode_denied("u", 403, "Forbidden", "because")) == {
        "apiVersion": "admission.k8s.io/v1",
        "kind": "AdmissionReview",
        "response": {
            "uid": "u",
            "allowed": False,
            "status": {"code": 403, "reason": "Forbidden", "message": "because"},
        },
    }


@pytest.mark.parametrize(
    ("warning", "sent"),
    [
        ("x" * MAX_WARNING, "x" * MAX_WARNING),
        ("x" * (MAX_WARNING + 1), "x" * (MAX_WARNING - 1) + "…"),
        ("é" * 10_000, "é" * (MAX_WARNING - 1) + "…"),
    ],
)
def test_a_warning_is_cut_where_clients_would_cut_it(warning: str, sent: str) -> None:
    assert MAX_WARNING == 256
    assert json.loads(encode_allowed("u", warnings=[warning]))["response"]["warnings"] == [sent]


def test_ten_warnings_are_told_and_how_many_more_there_are() -> None:
    def told(count: int) -> list[str]:
        answer = json.loads(encode_allowed("u", None, [f"kubemacpool: {number}" for number in range(count)]))
        warnings: list[str] = answer["response"]["warnings"]
        return warnings

    ten = [f"kubemacpool: {number}" for number in range(10)]
    assert told(10) == ten
    assert told(12) == [*ten, "kubemacpool: and 2 more"]
