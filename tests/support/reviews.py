"""Reviews as the API server sends them, for asking one replica itself."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING, Final

import msgspec
from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from devcluster.installation import ReplicaStatus

BRIEFLY: Final = "?timeout=1s"
"""So that a replica which cannot decide says so within a second, to people: there is no time to ask again."""


class Status(msgspec.Struct):
    """Why a pod was refused."""

    message: str = ""
    code: int = 0


class Response(msgspec.Struct):
    """The verdict of a review."""

    allowed: bool
    status: Status = msgspec.field(default_factory=Status)


class Review(msgspec.Struct):
    """A review that was answered."""

    response: Response


def review(namespace: str, name: str, networks: str = '[{"name":"net"}]', *, dry_run: bool = False) -> bytes:
    """What the API server asks about a pod."""
    request = {
        "uid": str(uuid.uuid4()),
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": namespace,
        "dryRun": dry_run,
        "object": pod(name, networks),
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": request})


def verdict(text: str) -> Response:
    """What a replica answered."""
    return msgspec.json.decode(text, type=Review).response


def webhook(replica: ReplicaStatus, query: str = "") -> str:
    """Where a replica is asked."""
    return f"{replica.webhook_url}/mutate-pods{query}"
