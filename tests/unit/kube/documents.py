"""What an API server sends, written short: objects, pages of a list, watch events."""

import json
from collections.abc import Mapping

from kubemacpool.wire.listing import read_head
from kubemacpool.wire.objects import Decoded, ObjectIdentity, UnreadableObjectError


def thing(name: str, version: int, *, uid: str = "", namespace: str = "ns", **extra: object) -> dict[str, object]:
    """An object as the API server sends it; its uid is `uid-NAME` unless given."""
    metadata = {"namespace": namespace, "name": name, "uid": uid or f"uid-{name}", "resourceVersion": str(version)}
    return {"metadata": metadata, **extra}


def page(version: int, *things: Mapping[str, object], following: str = "") -> bytes:
    """One page of a list."""
    metadata = {"resourceVersion": str(version), "continue": following}
    return json.dumps({"kind": "List", "apiVersion": "v1", "metadata": metadata, "items": things}).encode()


def event(kind: str, content: Mapping[str, object]) -> bytes:
    """One line of a watch."""
    return json.dumps({"type": kind, "object": content}).encode() + b"\n"


def bookmark(version: int) -> bytes:
    """A bookmark."""
    return event("BOOKMARK", {"metadata": {"resourceVersion": str(version)}})


def failure(code: int, reason: str = "", message: str = "") -> bytes:
    """The ERROR event of a watch."""
    return event("ERROR", {"kind": "Status", "code": code, "reason": reason, "message": message})


def decode(raw: bytes) -> Decoded[bytes]:
    """Reads an object.

    `dull` ones are of no interest, and neither are `bare` ones, of which something is left; `broken` ones are refused,
    `absurd` ones break the decoder.
    """
    content = json.loads(raw)
    identity, version = read_head(raw)
    if content.get("broken"):
        raise UnreadableObjectError(identity, version or 0, str(content["broken"]))
    if content.get("absurd"):
        raise ZeroDivisionError("nobody foresaw this")
    if content.get("bare"):
        return Decoded(identity, version or 0, None, remnant=b"bare")
    return Decoded(identity, version or 0, None if content.get("dull") else raw)


class Told:
    """A listener that writes down what it is told.

    `present ns/a uid-a`, with `bare` behind it where nothing more is left of it; `gone ...`, `reached 5`, `unreadable
    ...`.
    """

    def __init__(self) -> None:
        self.lines: list[str] = []

    def present(self, identity: ObjectIdentity, item: bytes, resource_version: int) -> None:  # noqa: ARG002 - the protocol's
        """Writes it down."""
        how = " bare" if item == b"bare" else ""
        self.lines.append(f"present {identity.namespace}/{identity.name} {identity.uid}{how}")

    def gone(self, identity: ObjectIdentity) -> None:
        """Writes it down."""
        self.lines.append(f"gone {identity.namespace}/{identity.name} {identity.uid}")

    def reached(self, resource_version: int) -> None:
        """Writes it down."""
        self.lines.append(f"reached {resource_version}")

    def unreadable(self, identity: ObjectIdentity, reason: str) -> None:
        """Writes it down."""
        self.lines.append(f"unreadable {identity.namespace}/{identity.name} {reason}")
