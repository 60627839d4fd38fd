"""Requests that wait for a write of the Lease, so that all that arrive together share one."""

import asyncio

from kubemacpool.core.requests import Unreserved
from kubemacpool.ports import RetryLaterError

Batch = list["Wish"]


class Wish:
    """What one request waits for."""

    def __init__(self, unreserved: Unreserved) -> None:
        self.unreserved = unreserved
        self.done = asyncio.get_running_loop().create_future()


class ReserveQueue:
    """The wishes that no write has taken into account yet, and those allocated whose request has not gone on yet.

    The latter have to stay listed: what a write leaves out is not reserved any more, and the next one may begin before
    those that waited for the last one have had their turn.
    """

    def __init__(self) -> None:
        self._waiting: dict[Wish, None] = {}
        self._allocated: dict[Wish, None] = {}

    def __bool__(self) -> bool:
        return bool(self._waiting)

    async def fulfilment(self, unreserved: Unreserved) -> None:
        """One more; returns when a write has taken it into account.

        Raises:
            RetryLaterError: none will.
        """
        wish = Wish(unreserved)
        self._waiting[wish] = None
        try:
            await wish.done
        finally:  # a request that gave up is no reason to write
            self._waiting.pop(wish, None)
            self._allocated.pop(wish, None)

    def take(self) -> Batch:
        """All that still have somebody waiting for them, to be allocated, refused or put back."""
        batch = [wish for wish in self._waiting if not wish.done.done()]
        self._waiting = {}
        return batch

    def fulfil(self, batch: Batch) -> None:
        """The write was confirmed."""
        for wish in batch:
            if not wish.done.done():
                wish.done.set_result(None)
                self._allocated[wish] = None

    @property
    def allocated(self) -> Batch:
        """Those that a write has taken into account, and whose request has not gone on yet."""
        return list(self._allocated)

    def put_back(self, batch: Batch) -> None:
        """The write was not made: the next one is for these too."""
        waiting = [wish for wish in batch if not wish.done.done()]
        self._waiting = dict.fromkeys((*waiting, *self._waiting))

    def refuse(self, batch: Batch, reason: str) -> None:
        """No write will be made for these."""
        for wish in batch:
            if not wish.done.done():
                wish.done.set_exception(RetryLaterError(reason))

    def refuse_all(self, reason: str) -> None:
        """No write will be made for any that wait."""
        self.refuse(self.take(), reason)
