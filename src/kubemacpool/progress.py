"""How far the view of one kind has come."""

import asyncio
from heapq import heappop, heappush

from kubemacpool.ports import ClusterUnavailableError, NotFoundError, OutsideError


class ViewProgress:
    """The newest resourceVersion that a watch has reached, and those who wait for a later one."""

    def __init__(self) -> None:
        self.resource_version = 0
        """0 until the first list is complete."""
        self.changed_at = 0
        """The newest resourceVersion at which something may have changed: a view that has come so far has seen the same
        as this one, which may have learnt since that nothing has happened."""
        self._idle = False
        self._waiting: list[tuple[int, int, asyncio.Future[None]]] = []
        self._count = 0

    def idle(self) -> None:
        """Nothing has changed up to what is reached next."""
        self._idle = True

    def reached(self, resource_version: int) -> None:
        """The view includes everything up to this resourceVersion.

        It may be older than the one before: after a cluster was restored from a backup the list says so. Then nobody
        waits any longer for what is of the lost future.
        """
        if not self._idle:
            self.changed_at = resource_version
        self._idle = False
        before, self.resource_version = self.resource_version, resource_version
        while self._waiting and self._waiting[0][0] <= resource_version:
            _, _, future = heappop(self._waiting)
            if not future.done():
                future.set_result(None)
        if resource_version < before:
            self._disappoint(ClusterUnavailableError(f"resourceVersion fell from {before} to {resource_version}"))

    def begin_anew(self) -> None:
        """There is no view any more; the next one begins with a list."""
        self.resource_version = self.changed_at = 0
        self._disappoint(NotFoundError("the kind is not served any more"))

    async def until(self, resource_version: int) -> None:
        """Wait until the view has reached this resourceVersion.

        Raises:
            NotFoundError: there is no view any more.
            ClusterUnavailableError: the cluster was restored from a backup, and what is waited for may never come.
        """
        if resource_version <= self.resource_version:
            return
        future = asyncio.get_running_loop().create_future()
        self._count += 1
        heappush(self._waiting, (resource_version, self._count, future))
        await future

    def _disappoint(self, error: OutsideError) -> None:
        waiting, self._waiting = self._waiting, []
        for _, _, future in waiting:
            if not future.done():
                future.set_exception(error)
