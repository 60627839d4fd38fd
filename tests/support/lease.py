"""The Lease as the API server has it."""

from __future__ import annotations

from typing import Final

import msgspec

LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases/kubemacpool-leader"
FORMAT: Final = "kubemacpool.io/format"
OPEN: Final = "kubemacpool.io/reserved"
OTHER: Final = "another-replica"
ENDPOINT: Final = "kubemacpool.io/endpoint"


class Metadata(msgspec.Struct):
    """What stands in its annotations."""

    annotations: dict[str, str] = {}


class Spec(msgspec.Struct, rename="camel"):
    """Who holds it."""

    holder_identity: str = ""
    lease_duration_seconds: int = 0
    lease_transitions: int = 0


class Lease(msgspec.Struct):
    """The Lease."""

    metadata: Metadata
    spec: Spec


def claim(endpoint: str, form: str = "1") -> dict[str, object]:
    """A patch by which another replica has the Lease, as far as anybody can see."""
    annotations = {ENDPOINT: endpoint, FORMAT: form}
    return {"metadata": {"annotations": annotations}, "spec": {"holderIdentity": OTHER}}
