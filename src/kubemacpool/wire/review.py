"""AdmissionReview (admission.k8s.io/v1): the question of the API server, and our answer to it."""

import re
from base64 import b64encode
from collections.abc import Sequence
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from kubemacpool.wire.quoting import MOST_TOLD, first_of, quoted

_UNITS: Final = {"ns": 1e-9, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ms": 1e-3, "s": 1.0, "m": 60.0, "h": 3600.0}
_NUMBER: Final = r"(?:\d++(?:\.\d*+)?|\.\d++)"  # possessive: what was read is never read again
_PART: Final = re.compile(rf"({_NUMBER})(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_WHOLE: Final = re.compile(rf"[+-]?(?:(?:{_NUMBER})(?:ns|us|µs|μs|ms|s|m|h))+|[+-]?0", re.ASCII)


_LONGEST: Final = 2**63 * 1e-9
"""Seconds: what Go's time.Duration can hold, 292 years."""


class DurationError(ValueError):
    """A text that is no duration; its message says what would be."""


def parse_duration(text: str) -> float:
    """Read a duration, in seconds.

    Source: Go's time.ParseDuration.

    Raises:
        DurationError: when the text is none.
    """
    if _WHOLE.fullmatch(text) is None:
        raise DurationError("not a duration; write it like 10s, 1m30s or 8760h0m0s")
    seconds = sum((float(number) * _UNITS[unit] for number, unit in _PART.findall(text)), start=0.0)
    if seconds > _LONGEST:
        raise DurationError("longer than 292 years, the longest duration that can be written")
    return -seconds if text.startswith("-") else seconds


_encoder: Final = msgspec.json.Encoder()


def annotation_patch(annotation: str, value: str) -> bytes:
    """A patch that gives an annotation, which is there already, another value."""
    path = "/metadata/annotations/" + annotation.replace("~", "~0").replace("/", "~1")
    return b'[{"op":"replace","path":%b,"value":%b}]' % (_encoder.encode(path), _encoder.encode(value))


RETRY_AFTER: Final = 1
"""Seconds after which the API server asks again, inside the same admission, until the webhook's time-out."""

SERVICE_UNAVAILABLE: Final = 503

MISDIRECTED: Final = 421
"""What a replica answers to a review that was handed to it while it does not decide (RFC 9110, section 15.5.20)."""


class Answer(NamedTuple):
    """A response.

    Attributes:
        status: of HTTP.
        body: what it says.
        content_type: of the body.
        retry_after: after how many seconds to ask again, where the status is 503.
        elsewhere: whether to ask another replica then: the connection is closed, so that the Service picks one anew.
    """

    status: int
    body: bytes
    content_type: str = "application/json"
    retry_after: int | None = None
    elsewhere: bool = False


def in_words(status: int, message: str) -> Answer:
    """An answer for people, for what is no AdmissionReview or cannot be decided now; a 503 says when to ask again."""
    retry_after = RETRY_AFTER if status == SERVICE_UNAVAILABLE else None
    return Answer(status, message.encode() + b"\n", "text/plain", retry_after)


API_VERSION: Final = "admission.k8s.io/v1"

MAX_WARNING: Final = 256
"""Characters of one warning that every client shows; the API server cuts what is longer.

Source: the API reference of AdmissionResponse.warnings.
"""


LONGEST_NAME: Final = 253
"""Characters of an object's name, and of what it is made from (RFC 1123, DNS subdomain). The API server looks after the
webhooks have been asked."""


class ReviewError(ValueError):
    """The body is not a question that we can answer."""


class ReviewedMetadata(msgspec.Struct, gc=False, rename="camel"):
    """What the API server knows of any object at mutating admission: no uid, and with `generateName` no name."""

    name: str | None = None
    generate_name: str | None = None


ObjectT = TypeVar("ObjectT")


class _Kind(msgspec.Struct, gc=False):
    group: str = ""
    kind: str = ""


class Request(msgspec.Struct, Generic[ObjectT], gc=False, rename="camel"):
    """The question: may this be done to an object?"""

    uid: str
    kind: _Kind
    operation: str
    namespace: str = ""
    name: str = ""
    dry_run: bool | None = None
    object: ObjectT | None = None
    old_object: ObjectT | None = None


class Review(msgspec.Struct, Generic[ObjectT], gc=False, rename="camel"):
    """The envelope of a question."""

    api_version: str
    kind: str
    request: Request[ObjectT]


class Expected(NamedTuple):
    """What is answered at one path."""

    group: str
    kind: str
    operations: tuple[str, ...]


class _Asked(msgspec.Struct, gc=False):
    uid: str


class _AnyReview(msgspec.Struct, gc=False):
    request: _Asked


_any_reviews = msgspec.json.Decoder(_AnyReview)


def decode_review(
    body: bytes, decoder: "msgspec.json.Decoder[Review[ObjectT]]", expected: Expected
) -> tuple[Request[ObjectT], ObjectT]:
    """Read a question: the request, and the object that it is about.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    try:
        review = decoder.decode(body)
    except (msgspec.DecodeError, UnicodeError, RecursionError) as error:
        raise ReviewError(f"the body is not an AdmissionReview: {error}") from error
    if review.kind != "AdmissionReview" or review.api_version != API_VERSION:
        raise ReviewError(
            f"the body is {quoted(review.kind)} of {quoted(review.api_version)}; "
            f"expected AdmissionReview of {API_VERSION}"
        )
    request = review.request
    asked = request.kind
    if (asked.group, asked.kind) != (expected.group, expected.kind) or request.operation not in expected.operations:
        kind = f"{asked.kind}.{asked.group}".rstrip(".")
        raise ReviewError(
            f"asked about {quoted(request.operation)} of {quoted(kind)}, but only {' and '.join(expected.operations)} "
            f"of {expected.kind} is answered here; "
            "correct the rules of MutatingWebhookConfiguration kubemacpool-mutator"
        )
    if request.object is None:
        raise ReviewError(f"asked about a {expected.kind}, but `request.object` is missing")
    return request, request.object


def decode_uid(body: bytes) -> str:
    """The uid of the request, whatever it asks about; empty when the body is no review."""
    try:
        return _any_reviews.decode(body).request.uid
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return ""


_YES: Final = (
    b'{"apiVersion":"%b","kind":"AdmissionReview","response":{"uid":%%b,"allowed":true,"patchType":"JSONPatch",'
    b'"patch":"%%b"}}' % API_VERSION.encode()
)


def encode_allowed(uid: str, patch: bytes | None = None, warnings: Sequence[str] = ()) -> bytes:
    """The answer yes, with a JSON patch and warnings for the user where there are any."""
    if patch is not None and not warnings:  # nearly all; base64 needs no escaping
        return _YES % (_encoder.encode(uid), b64encode(patch))
    response: dict[str, object] = {"uid": uid, "allowed": True}
    if patch is not None:
        response["patchType"] = "JSONPatch"
        response["patch"] = b64encode(patch).decode()
    if warnings:
        told = first_of(warnings)
        if len(told) > MOST_TOLD:
            told[-1] = f"kubemacpool: {told[-1]}"
        response["warnings"] = [_cut(warning) for warning in told]
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
