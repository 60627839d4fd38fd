"""One watch, from a resourceVersion until it ends."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, Literal

import aiohttp
import msgspec

from chaos.cluster import OK, UnexpectedError

if TYPE_CHECKING:
    from collections.abc import AsyncIterator

    from chaos.cluster import Cluster

GONE = 410
DELETED: Final = "DELETED"
BOOKMARK: Final = "BOOKMARK"
_ERROR: Final = "ERROR"


class MissedError(Exception):
    """The API server does not know any more what happened since that resourceVersion."""


class _Event(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Error(msgspec.Struct):
    code: int = 0


async def events(
    cluster: Cluster, path: str, version: int, accept: str = "application/json"
) -> AsyncIterator[tuple[str, msgspec.Raw]]:
    """Watch until the API server ends it.

    Args:
        cluster: whom to ask.
        path: of the collection.
        version: the resourceVersion after which to begin.
        accept: in what form objects are sent.

    Yields:
        What happened, in the API's words, and to which object.

    Raises:
        MissedError: list again.
        UnexpectedError: the API server refuses; try again.
        OSError: the connection broke (aiohttp has errors of its own as well); try again.
    """
    async with cluster.session.get(
        f"{cluster.url}{path}",
        params={"watch": "1", "resourceVersion": str(version), "allowWatchBookmarks": "true"},
        headers={"Accept": accept},
        timeout=aiohttp.ClientTimeout(total=None),
    ) as stream:
        if stream.status == GONE:
            raise MissedError
        if stream.status != OK:
            message = f"a watch on {path} was answered with {stream.status}"
            raise UnexpectedError(message)
        while line := await stream.content.readline():
            event = msgspec.json.decode(line, type=_Event)
            if event.type == _ERROR:
                if msgspec.json.decode(event.object, type=_Error).code == GONE:
                    raise MissedError
                return
            yield event.type, event.object
