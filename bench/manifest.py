"""A release manifest: of this checkout, or of another one, whose program may need other rights and another Lease."""

from __future__ import annotations

from contextlib import suppress
from typing import TYPE_CHECKING

import msgspec
import yaml

from devcluster.deployment import NAMESPACE
from devcluster.errors import ApiError
from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

LEASES = f"/apis/coordination.k8s.io/v1/namespaces/{NAMESPACE}/leases"
LEASE = "Lease"
RIGHTS = frozenset({"ClusterRole", "ClusterRoleBinding", "Role", "RoleBinding"})


def documents(manifest: Path = RELEASE_MANIFEST) -> list[dict[str, object]]:
    """Read a manifest."""
    return msgspec.convert(list(yaml.safe_load_all(manifest.read_text(encoding="utf-8"))), list[dict[str, object]])


def list_of(items: Sequence[dict[str, object]]) -> str:
    """Put objects into one document for kubectl."""
    return msgspec.json.encode({"apiVersion": "v1", "kind": "List", "items": items}).decode()


def begin_anew(control_plane: ControlPlane, manifest: Path) -> None:
    """Grant the rights that a manifest names, and put its Lease there as if nothing had ever been allocated.

    What another program has written into the Lease, this one may not understand.
    """
    kept = [document for document in documents(manifest) if document["kind"] in RIGHTS | {LEASE}]
    for lease in (document for document in kept if document["kind"] == LEASE):
        name = msgspec.convert(lease["metadata"], dict[str, object])["name"]
        with suppress(ApiError):  # there is none of that name
            control_plane.api.request("DELETE", f"{LEASES}/{name}")
    control_plane.kubectl("apply", "-f", "-", stdin=list_of(kept))
