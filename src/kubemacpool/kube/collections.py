"""What the API server knows now: the resourceVersion of a collection, read past every cache."""

from kubemacpool.kube.resource import Resource
from kubemacpool.kube.transport import Transport
from kubemacpool.ports.errors import ClusterUnavailableError
from kubemacpool.wire.listing import UnexpectedAnswerError, read_page


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
