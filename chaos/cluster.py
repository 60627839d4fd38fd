"""Requests to the API server, as its administrator and not through any of the connections that are cut."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import msgspec
from tests.support.cluster_client import NETWORKS, ClusterClient

from chaos.auditing import Carrier

if TYPE_CHECKING:
    from collections.abc import Mapping

    from devcluster.controlplane import ControlPlane

NAMESPACE = "chaos"
PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kubemacpool-system/leases"
LEASE_NAME = "kubemacpool-leader"
ENDPOINT = "kubemacpool.io/endpoint"
NAMED = "kubemacpool.io/reserved"
METADATA_ONLY = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
# Longer than any create can take, so that it is the API server that gives up.
REQUEST_SECONDS = 40.0
PAGE = 2000
CREATED = 201
OK = 200

T = TypeVar("T")


class _Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    uid: str = ""
    resource_version: str = "0"
    annotations: dict[str, str] = {}


class PodRecord(msgspec.Struct):
    """A pod, or what a watch tells of one."""

    metadata: _Metadata

    @property
    def resource_version(self) -> int:
        """How it orders among all that happened."""
        return int(self.metadata.resource_version)

    def carrier(self) -> Carrier:
        """Read which addresses it carries."""
        about = self.metadata
        return Carrier(about.uid, about.namespace, about.name, addresses_of(about.annotations.get(NETWORKS, "")))


class _ListMetadata(msgspec.Struct, rename="camel"):
    resource_version: str


class PodList(msgspec.Struct):
    """All pods at one moment."""

    metadata: _ListMetadata
    items: list[PodRecord] | None
    """None where there is none."""

    def carriers(self) -> list[Carrier]:
        """Read which addresses they carry."""
        return [pod.carrier() for pod in self.items or ()]


class _LeaseSpec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_transitions: int | None = None


class Lease(msgspec.Struct):
    """Who leads, and which addresses are on their way."""

    metadata: _Metadata
    spec: _LeaseSpec = msgspec.field(default_factory=_LeaseSpec)

    @property
    def resource_version(self) -> int:
        """How it orders among all that happened."""
        return int(self.metadata.resource_version)

    @property
    def holder(self) -> str:
        """Whose it is; empty while nobody leads."""
        return self.spec.holder_identity or ""

    @property
    def transitions(self) -> int:
        """How often it has changed hands."""
        return self.spec.lease_transitions or 0

    @property
    def endpoint(self) -> str:
        """Where the holder is reached."""
        return self.metadata.annotations.get(ENDPOINT, "") if self.holder else ""

    @property
    def named(self) -> str:
        """The reserved addresses, as the annotation has them."""
        return self.metadata.annotations.get(NAMED, "")


class _Selection(msgspec.Struct):
    mac: str = ""


class UnexpectedError(Exception):
    """The API server did not answer a request that has to be answered."""


def addresses_of(annotation: str) -> frozenset[str]:
    """Read the addresses in a network-selection annotation in its JSON form; the tenant's others carry none."""
    try:
        selections = msgspec.json.decode(annotation, type=list[_Selection]) if annotation else []
    except (msgspec.DecodeError, RecursionError):
        return frozenset()
    return frozenset(selection.mac.lower() for selection in selections if selection.mac)


class Cluster(ClusterClient):
    """The API server, as the run asks it."""

    def __init__(self, control_plane: ControlPlane) -> None:
        """Read the administrator's certificate."""
        super().__init__(control_plane, REQUEST_SECONDS)

    async def read(self, path: str, kind: type[T], headers: Mapping[str, str] | None = None) -> T:
        """Read something that is there.

        Raises:
            UnexpectedError: it is not, or there is no answer.
        """
        answer = await self.ask("GET", path, headers=headers)
        if answer.status != OK:
            message = f"GET {path} was answered with {answer.status}: {answer.message}"
            raise UnexpectedError(message)
        return msgspec.json.decode(answer.body, type=kind)

    async def pods(self) -> PodList:
        """List every pod, consistently."""
        return await self.read("/api/v1/pods", PodList, {"Accept": METADATA_ONLY.format("List")})

    async def lease(self) -> Lease:
        """Read the Lease."""
        return await self.read(f"{LEASES}/{LEASE_NAME}", Lease)
