"""Events of the core API, which is where `kubectl get events` and `kubectl describe` look. Pure."""

from typing import NamedTuple

import msgspec

from kubemacpool.wire.listing import expecting

# The API server takes no longer message in an Event (events.k8s.io/v1, note).
LONGEST_MESSAGE_BYTES = 1024

# A name may have 253 characters; generateName puts five more and wants room for them.
_LONGEST_PREFIX = 240


class EventText(NamedTuple):
    """What is said about which object."""

    api_version: str
    kind: str
    namespace: str
    name: str
    uid: str
    reason: str
    message: str


class _Name(msgspec.Struct):
    name: str


class _Stored(msgspec.Struct):
    metadata: _Name


def event_namespace(namespace: str) -> str:
    """Where an Event about an object is kept: beside it, and in `default` for objects that have no namespace."""
    return namespace or "default"


def new_warning(text: EventText, component: str, timestamp: str) -> bytes:
    """An Event to be created, of type Warning, seen once.

    Args:
        text: what is said about which object.
        component: who says it.
        timestamp: now, as in 2026-11-24T03:00:00Z.
    """
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Event",
            "metadata": {
                "namespace": event_namespace(text.namespace),
                "generateName": f"{text.name[:_LONGEST_PREFIX]}.",
            },
            "type": "Warning",
            "reason": text.reason,
            "message": cut(text.message, LONGEST_MESSAGE_BYTES),
            "involvedObject": {
                "apiVersion": text.api_version,
                "kind": text.kind,
                "namespace": text.namespace,
                "name": text.name,
                "uid": text.uid,
            },
            "source": {"component": component},
            "reportingComponent": component,
            "firstTimestamp": timestamp,
            "lastTimestamp": timestamp,
            "count": 1,
        }
    )


def seen_again_patch(count: int, timestamp: str) -> bytes:
    """A merge patch for an Event that has been seen so many times by now."""
    return msgspec.json.encode({"count": count, "lastTimestamp": timestamp})


def read_event_name(body: bytes) -> str:
    """The name that the API server gave to a created Event.

    Raises:
        UnexpectedAnswerError: the body is not an object.
    """
    with expecting("an Event"):
        return msgspec.json.decode(body, type=_Stored).metadata.name


def cut(text: str, longest: int) -> str:
    """The text with at most so many bytes in UTF-8, no character cut in two; an ellipsis shows where it was cut."""
    encoded = text.encode("utf-8", "replace")
    if len(encoded) <= longest:
        return encoded.decode("utf-8")
    ellipsis = "…"
    return encoded[: longest - len(ellipsis.encode())].decode("utf-8", "ignore") + ellipsis
