"""The Lease as the API server has it."""

from __future__ import annotations

from typing import Final

import msgspec

LEASE: Final = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases/kubemacpool-decider"
FORMAT: Final = "kubemacpool.io/format"
OPEN: Final = "kubemacpool.io/open"
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
