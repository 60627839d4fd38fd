"""Reading and writing Secrets of one namespace."""

from collections.abc import Mapping

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.transport import MERGE_PATCH
from kubemacpool.ports.errors import ClusterUnavailableError
from kubemacpool.ports.secrets import StoredSecret
from kubemacpool.wire.listing import UnexpectedAnswerError
from kubemacpool.wire.secrets import new_tls_secret, read_secret, secret_merge_patch


class ClusterSecrets:
    """Implements `kubemacpool.ports.secrets.Secrets`. Needs the verbs get, create and patch on secrets."""

    def __init__(self, client: ApiClient, namespace: str) -> None:
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

    def _stored(self, name: str, body: bytes) -> StoredSecret:
        try:
            data, resource_version = read_secret(body)
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"{self._collection}/{name}: {error}") from error
        return StoredSecret(data, resource_version)
