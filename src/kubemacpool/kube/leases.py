"""Reading and writing the Lease of the decider."""

from datetime import UTC, datetime
from typing import Final

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.ports.errors import ClusterUnavailableError
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord, lease_patch, new_lease, read_lease
from kubemacpool.wire.listing import UnexpectedAnswerError

_API: Final = "/apis/coordination.k8s.io/v1"


def lease_resource(namespace: str) -> Resource:
    """The Lease as something to be watched."""
    return Resource(f"{_API}/leases", namespace, field_selector=f"metadata.name={LEASE_NAME}")


class ClusterLease:
    """Implements `kubemacpool.ports.lease.LeaseStore`. Needs the verbs get, create and patch on leases."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._collection = f"{_API}/namespaces/{namespace}/leases"
        self._path = f"{self._collection}/{LEASE_NAME}"

    async def read(self) -> LeaseRecord:
        """The Lease as it is now."""
        return self._read(await self._client.get(self._path))

    async def create(self) -> LeaseRecord:
        """A new Lease that nobody holds."""
        return self._read(await self._client.create(self._collection, new_lease(self._namespace)))

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:
        """Makes the Lease say this, if it still has the record's resourceVersion."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        body = lease_patch(record, now, now if acquired else None)
        return self._read(await self._client.patch(self._path, body, content_type=MERGE_PATCH))

    def _read(self, body: bytes) -> LeaseRecord:
        try:
            return read_lease(body)
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"{self._path}: {error}") from error
