"""AdmissionReview (admission.k8s.io/v1): the API server's question, and our answer to it."""

from base64 import b64encode
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec

from kubemacpool.wire.networks import NETWORKS_ANNOTATION
from kubemacpool.wire.quoting import quoted

API_VERSION: Final = "admission.k8s.io/v1"

MAX_WARNING: Final = 256
"""Characters of one warning that every client shows; the API server cuts what is longer.

Source: the API reference of AdmissionResponse.warnings.
"""


class ReviewError(ValueError):
    """The body is not a question that we can answer."""


class AnnotationsOfInterest(msgspec.Struct, gc=False):
    """The one annotation that matters to us."""

    networks: str | None = msgspec.field(name=NETWORKS_ANNOTATION, default=None)


class PodMetadata(msgspec.Struct, gc=False, rename="camel"):
    """What the API server knows of a pod at mutating admission: no uid, and with `generateName` no name."""

    name: str | None = None
    generate_name: str | None = None
    annotations: AnnotationsOfInterest | None = None


class _Pod(msgspec.Struct, gc=False):
    metadata: PodMetadata = msgspec.field(default_factory=PodMetadata)


class _Kind(msgspec.Struct, gc=False):
    group: str = ""
    kind: str = ""


class _Request(msgspec.Struct, gc=False, rename="camel"):
    uid: str
    kind: _Kind
    operation: str
    namespace: str = ""
    name: str = ""
    dry_run: bool | None = None
    object: _Pod | None = None


class _Review(msgspec.Struct, gc=False, rename="camel"):
    api_version: str
    kind: str
    request: _Request


class _Asked(msgspec.Struct, gc=False):
    uid: str


class _AnyReview(msgspec.Struct, gc=False):
    request: _Asked


class PodReview(NamedTuple):
    """A pod about to be created.

    Attributes:
        uid: of the request, to be repeated in the answer. The API server asks again with the same one after a 503.
        namespace: the pod's; it may be missing in the object, so it is the request's.
        name: the pod's, or empty when the API server has yet to make one from `generate_name`.
        generate_name: the prefix of that name.
        networks: the network-selection annotation; None when the pod has none.
        dry_run: whether the pod will not be persisted.
    """

    uid: str
    namespace: str
    name: str
    generate_name: str
    networks: str | None
    dry_run: bool


_reviews = msgspec.json.Decoder(_Review)
_any_reviews = msgspec.json.Decoder(_AnyReview)
_encoder = msgspec.json.Encoder()


def decode_pod_review(body: bytes) -> PodReview:
    """Read the question whether a pod may be created.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    try:
        review = _reviews.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ReviewError(f"the body is not an AdmissionReview: {error}") from error
    if review.kind != "AdmissionReview" or review.api_version != API_VERSION:
        raise ReviewError(
            f"the body is {quoted(review.kind)} of {quoted(review.api_version)}; "
            f"expected AdmissionReview of {API_VERSION}"
        )
    request = review.request
    if request.kind.kind != "Pod" or request.kind.group or request.operation != "CREATE":
        kind = f"{request.kind.kind}.{request.kind.group}".rstrip(".")
        raise ReviewError(
            f"asked about {quoted(request.operation)} of {quoted(kind)}, but only CREATE of Pod is answered here; "
            "correct the rules of MutatingWebhookConfiguration kubemacpool-mutator"
        )
    if request.object is None:
        raise ReviewError("asked about a Pod, but `request.object` is missing")
    metadata = request.object.metadata
    return PodReview(
        request.uid,
        request.namespace,
        metadata.name or request.name,
        metadata.generate_name or "",
        metadata.annotations.networks if metadata.annotations is not None else None,
        bool(request.dry_run),
    )


def decode_uid(body: bytes) -> str:
    """The uid of the request, whatever it asks about; empty when the body is no review."""
    try:
        return _any_reviews.decode(body).request.uid
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


def encode_allowed(uid: str, patch: bytes | None = None, warnings: Sequence[str] = ()) -> bytes:
    """The answer yes, with a JSON patch and warnings for the user where there are any."""
    response: dict[str, object] = {"uid": uid, "allowed": True}
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(patch).decode()
    if warnings:
        response["warnings"] = [_cut(warning) for warning in warnings]
    return _encode(response)


def encode_denied(uid: str, code: int, reason: str, message: str) -> bytes:
    """The answer no.

    Args:
        uid: of the request.
        code: HTTP status that the user's client will see: 4xx, or 503 where the fault is ours.
        reason: the StatusReason that belongs to it, such as `Forbidden`.
        message: what is wrong, with which object, and what to do.
    """
    return _encode({"uid": uid, "allowed": False, "status": {"code": code, "reason": reason, "message": message}})


def _encode(response: dict[str, object]) -> bytes:
    return _encoder.encode({"apiVersion": API_VERSION, "kind": "AdmissionReview", "response": response})


def _cut(warning: str) -> str:
    return warning if len(warning) <= MAX_WARNING else warning[: MAX_WARNING - 1] + "…"
