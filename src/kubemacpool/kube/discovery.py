"""What the API server serves of one API group (discovery: /apis/GROUP and /apis/GROUP/VERSION)."""

from collections.abc import Mapping

from kubemacpool.kube.transport import METADATA_OF_LIST, Transport
from kubemacpool.ports.errors import ClusterUnavailableError, NotFoundError
from kubemacpool.wire.discovery import read_plurals, read_preferred_version
from kubemacpool.wire.listing import UnexpectedAnswerError


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
