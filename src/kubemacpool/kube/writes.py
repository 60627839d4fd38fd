"""What is written to the API server, Events apart: the Lease, Secrets, caBundles."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import JSON_PATCH, MERGE_PATCH, WritingTransport
from kubemacpool.ports import ClusterUnavailableError, StoredSecret
from kubemacpool.wire.api_objects import (
    CONFIGURATIONS,
    WebhookBundles,
    ca_bundle_patch,
    new_tls_secret,
    read_ca_bundles,
    read_secret,
    secret_merge_patch,
)
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord, lease_patch, new_lease, read_lease
from kubemacpool.wire.listing import UnexpectedAnswerError

_API: Final = "/apis/coordination.k8s.io/v1"


def lease_resource(namespace: str) -> Resource:
    """The Lease as something to be watched."""
    return Resource(f"{_API}/leases", namespace, field_selector=f"metadata.name={LEASE_NAME}")


class ClusterLease:
    """Implements `kubemacpool.ports.lease.LeaseStore`. Needs the verbs get, create and patch on leases."""

    def __init__(self, client: WritingTransport, namespace: str) -> None:
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


class ClusterSecrets:
    """Implements `kubemacpool.ports.secrets.Secrets`. Needs the verbs get, create and patch on secrets."""

    def __init__(self, client: WritingTransport, namespace: str) -> None:
        self._client = client
        self._namespace = namespace
        self._collection = f"/api/v1/namespaces/{namespace}/secrets"

    async def read(self, name: str) -> StoredSecret:
        """The Secret of that name."""
        return self._stored(name, await self._client.get(f"{self._collection}/{name}"))

    async def create(self, name: str, data: Mapping[str, bytes]) -> StoredSecret:
        """A new Secret of type kubernetes.io/tls."""
        body = new_tls_secret(self._namespace, name, data)
        return self._stored(name, await self._client.create(self._collection, body))

    async def update(self, name: str, data: Mapping[str, bytes], resource_version: str) -> StoredSecret:
        """Sets these keys of the Secret, if it still has that resourceVersion."""
        body = secret_merge_patch(data, resource_version)
        answer = await self._client.patch(f"{self._collection}/{name}", body, content_type=MERGE_PATCH)
        return self._stored(name, answer)

    async def rehearse(self, name: str, resource_version: str) -> None:
        """Asks whether the Secret could be updated."""
        body = secret_merge_patch({"rehearsal": b""}, resource_version)
        await self._client.patch(f"{self._collection}/{name}", body, content_type=MERGE_PATCH, dry_run=True)

    def _stored(self, name: str, body: bytes) -> StoredSecret:
        try:
            return StoredSecret(*read_secret(body))
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"{self._collection}/{name}: {error}") from error


class WebhookConfiguration:
    """Implements `kubemacpool.ports.webhooks.WebhookTrust` for one MutatingWebhookConfiguration.

    Needs the verbs get and patch on it.
    """

    def __init__(self, client: WritingTransport, name: str) -> None:
        self._client = client
        self._path = f"{CONFIGURATIONS}/{name}"

    async def read(self) -> WebhookBundles:
        """The caBundle of every webhook."""
        body = await self._client.get(self._path)
        try:
            return read_ca_bundles(body)
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"GET {self._path}: {error}") from error

    async def write(self, found: WebhookBundles, places: Sequence[int], ca_pem: bytes) -> None:
        """Gives the webhooks at these places this caBundle."""
        await self._client.patch(self._path, ca_bundle_patch(found, places, ca_pem), content_type=JSON_PATCH)

    async def rehearse(self, found: WebhookBundles) -> None:
        """Asks whether the caBundles could be written."""
        body = ca_bundle_patch(found, (), b"")
        await self._client.patch(self._path, body, content_type=JSON_PATCH, dry_run=True)
