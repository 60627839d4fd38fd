"""Single reads: how far a collection is, which kinds are served, which cluster this is."""

from collections.abc import Mapping
from typing import Final

from kubemacpool.kube.client import ApiClient
from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import METADATA_OF_LIST, Transport
from kubemacpool.ports import ClusterUnavailableError, NotFoundError
from kubemacpool.wire.api_objects import read_plurals, read_preferred_version
from kubemacpool.wire.listing import UnexpectedAnswerError, read_head, read_page

_NAMESPACE: Final = "/api/v1/namespaces/kube-system"


async def read_cluster_uid(client: ApiClient) -> str:
    """The uid of the namespace kube-system, which every cluster has and which lives as long as it: the cluster's own.

    Raises:
        OutsideError: as the API server answered.
    """
    uid = read_head(await client.get(_NAMESPACE)).identity.uid
    if not uid:
        raise ClusterUnavailableError(f"GET {_NAMESPACE}: the answer has no metadata.uid")
    return uid


class CollectionRead:
    """Implements `kubemacpool.ports.watching.ConsistentRead` for one resource.

    A list without resourceVersion is consistent by the API's contract, and limit 1 keeps it small. Selectors are left
    away: the API server would search the whole collection for an object that matches, and the resourceVersion is the
    collection's anyway.
    """

    def __init__(self, transport: Transport, resource: Resource) -> None:
        self._transport = transport
        self._resource = Resource(resource.path, resource.namespace, metadata_only=True)

    async def newest_resource_version(self) -> int:
        """The collection's resourceVersion, read consistently.

        Raises:
            OutsideError: as the API server answered.
        """
        body = await self._transport.get(self._resource.collection, {"limit": "1"}, accept=self._resource.list_accept)
        try:
            return read_page(body).resource_version
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"GET {self._resource.collection}: {error}") from error


class GroupDiscovery:
    """Implements `Catalogue` for one group."""

    def __init__(self, transport: Transport, group: str) -> None:
        self._transport = transport
        self._root = f"/apis/{group}"

    async def resources(self) -> Mapping[str, str]:
        """By plural, the path of every resource in the preferred version.

        Raises:
            OutsideError: as the API server answered.
        """
        try:
            version = read_preferred_version(await self._transport.get(self._root, {}))
            plurals = read_plurals(await self._transport.get(f"{self._root}/{version}", {}))
        except NotFoundError:
            return {}
        except UnexpectedAnswerError as error:
            raise ClusterUnavailableError(f"GET {self._root}: {error}") from error
        return {plural: f"{self._root}/{version}/{plural}" for plural in plurals}

    async def serves(self, path: str) -> bool:
        """Whether a list of the collection is answered.

        Raises:
            OutsideError: as the API server answered, unless it said that there is no such collection (404).
        """
        try:
            await self._transport.get(path, {"limit": "1"}, accept=METADATA_OF_LIST)
        except NotFoundError:
            return False
        return True
