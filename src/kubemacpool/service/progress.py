"""How far the view of one kind has come."""

import asyncio
from heapq import heappop, heappush

from kubemacpool.ports.errors import NotFoundError


class ViewProgress:
    """The newest resourceVersion that a watch has reached, and those who wait for a later one."""

    def __init__(self) -> None:
        self.resource_version = 0
        """0 until the first list is complete."""
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def reached(self, resource_version: int) -> None:
        """The view includes everything up to this resourceVersion.

        It may be older than the one before: after a cluster was restored from a backup the list says so.
        """
        self.resource_version = resource_version
        while self._waiting and self._waiting[0][0] <= resource_version:
            _, _, future = heappop(self._waiting)
            if not future.done():
                future.set_result(None)

    def begin_anew(self) -> None:
        """There is no view any more; the next one begins with a list."""
        self.resource_version = 0
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(NotFoundError("the kind is not served any more"))

    async def until(self, resource_version: int) -> None:
        """Wait until the view has reached this resourceVersion.

        Raises:
            NotFoundError: there is no view any more.
        """
        if resource_version <= self.resource_version:
            return
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heappush(self._waiting, (resource_version, self._count, future))
        await future
