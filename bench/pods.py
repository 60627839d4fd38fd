"""The pods that are created, and their end."""

from __future__ import annotations

import time
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec
from bench.errors import BenchError
from bench.installing import NAMESPACE

if TYPE_CHECKING:
    from devcluster.api import ApiServer

POD = Path(__file__).with_name("pod.json")
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
NETWORKS = "k8s.v1.cni.cncf.io/networks"
# The load generator puts five bytes of its own there. Nobody is given these beginnings without asking for them: the
# search for free addresses would first have to pass over 2^40.
EXPLICIT = (
    '[{"name":"ovs-conf","mac":"06:@@:@@:@@:@@:@@"},'
    '{"name":"storage","namespace":"default","interface":"data0","mac":"0a:@@:@@:@@:@@:@@"}]'
)
DELETE_SECONDS = 120.0


class Kind(Enum):
    """What the pods ask for."""

    PLAIN = "no networks"
    NETWORKS = "two networks"
    EXPLICIT = "two networks, with addresses of the user's choice"


def write_body(directory: Path, kind: Kind) -> Path:
    """Write a pod as clients send it."""
    pod = msgspec.json.decode(POD.read_bytes(), type=_Pod)
    if kind is Kind.PLAIN:
        del pod.metadata.annotations[NETWORKS]
    elif kind is Kind.EXPLICIT:
        pod.metadata.annotations[NETWORKS] = EXPLICIT
    # Without the line breaks that make the file readable.
    spec = msgspec.json.encode(msgspec.json.decode(pod.spec))
    path = directory / f"pod-{kind.name.lower()}.json"
    path.write_bytes(msgspec.json.encode(msgspec.structs.replace(pod, spec=msgspec.Raw(spec))))
    return path


def delete_all(api: ApiServer) -> None:
    """Remove every pod, and wait until none is left."""
    until = time.monotonic() + DELETE_SECONDS
    while time.monotonic() < until:
        # What one call has not managed in the time of a request, the next one does.
        api.request("DELETE", f"{PODS}?gracePeriodSeconds=0&timeoutSeconds=5&limit=500")
        if not api.get(f"{PODS}?limit=1", _List).items:
            return
    message = f"The pods of namespace {NAMESPACE} were not gone after {DELETE_SECONDS:.0f} s."
    raise BenchError(message)


class _List(msgspec.Struct):
    items: list[object] | None


class _Metadata(msgspec.Struct):
    name: str
    labels: dict[str, str]
    annotations: dict[str, str]


class _Pod(msgspec.Struct, rename="camel"):
    api_version: str
    kind: str
    metadata: _Metadata
    spec: msgspec.Raw
