"""What we have written to the API server, by its own account."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class ObjectReference(msgspec.Struct):
    """What a request was about."""

    resource: str = ""
    name: str = ""


class ResponseStatus(msgspec.Struct):
    """How it was answered."""

    code: int = 0


class Write(msgspec.Struct, rename="camel"):
    """One request that would change something."""

    verb: str
    object_ref: ObjectReference = msgspec.field(default_factory=ObjectReference)
    response_status: ResponseStatus = msgspec.field(default_factory=ResponseStatus)

    @property
    def of_lease(self) -> bool:
        """Whether it is a write of our Lease."""
        return (self.verb, self.object_ref.resource, self.object_ref.name) == ("patch", "leases", "kubemacpool-leader")


class AuditLog:
    """The API server's audit log, which holds the writes of our ServiceAccount and nothing else."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def end(self) -> int:
        """Where it ends now."""
        return self.path.stat().st_size if self.path.exists() else 0

    def writes(self, since: int) -> list[Write]:
        """Every write since then that was answered."""
        text = self.path.read_bytes()[since:]
        return [msgspec.json.decode(line, type=Write) for line in text[: text.rfind(b"\n") + 1].splitlines()]
