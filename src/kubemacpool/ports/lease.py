"""The Lease by which the replicas agree on who decides."""

from typing import Protocol

from kubemacpool.wire.lease import LeaseRecord


class LeaseStore(Protocol):
    """Reads and writes the one Lease. Every method raises the errors of `kubemacpool.ports.errors`."""

    async def read(self) -> LeaseRecord:
        """The Lease as it is now, past every cache.

        Raises:
            NotFoundError: there is none.
        """
        ...

    async def create(self) -> LeaseRecord:
        """A new Lease that nobody holds.

        Raises:
            ConflictError: there is one; read it.
        """
        ...

    async def update(self, record: LeaseRecord, *, acquired: bool = False) -> LeaseRecord:
        """Makes the Lease say this, if it still has the record's resourceVersion; gives it as it was stored.

        Args:
            record: what it is to say.
            acquired: whether this takes the Lease over.

        Raises:
            ConflictError: it was changed since; by oneself perhaps, in a write whose answer was lost.
            NotFoundError: it was deleted.
        """
        ...
