"""What this replica writes to the Lease; each write holds only for the resourceVersion that was read last."""

import asyncio
from collections.abc import Awaitable
from typing import NamedTuple

from kubemacpool.core.allocator import LeaseUpdate
from kubemacpool.election.timing import LEASE_SECONDS, WRITE_SECONDS
from kubemacpool.ports import ClusterUnavailableError, LeaseStore
from kubemacpool.wire.lease import LEASE_NAME, LeaseRecord


class Member(NamedTuple):
    """Who takes part in the election: an identity that no other process ever has, and where its webhook is reached."""

    identity: str
    endpoint: str


class LeaseWriter:
    """Reads and writes the Lease for one replica. Every method raises the errors of `kubemacpool.ports.errors`.

    A write that was not answered in time is a `ClusterUnavailableError`, though it may have been made.
    """

    def __init__(self, replica: Member, store: LeaseStore) -> None:
        self._replica = replica
        self._store = store

    async def read(self) -> LeaseRecord:
        """The Lease as it is now."""
        return await _in_time(self._store.read())

    async def create(self) -> LeaseRecord:
        """A new Lease that nobody holds."""
        return await _in_time(self._store.create())

    async def claim(self, record: LeaseRecord) -> LeaseRecord:
        """Makes the Lease ours, reserved addresses and all (rule 4)."""
        ours = record._replace(
            holder=self._replica.identity,
            endpoint=self._replica.endpoint,
            transitions=record.transitions + 1,
            duration=LEASE_SECONDS,
        )
        return await _in_time(self._store.update(ours, acquired=True))

    async def renew(self, record: LeaseRecord, update: LeaseUpdate) -> LeaseRecord:
        """Renews it, with the addresses that have to be reserved now (rules 1 and 3)."""
        return await _in_time(self._store.update(_reserving(record, update)))

    async def release(self, record: LeaseRecord, update: LeaseUpdate) -> LeaseRecord:
        """Leaves it without a holder (rule 7)."""
        return await _in_time(self._store.update(_reserving(record, update)._replace(holder="", endpoint="")))


def _reserving(record: LeaseRecord, update: LeaseUpdate) -> LeaseRecord:
    """The Lease with other reserved addresses; what a successor must have observed only grows."""
    seen = dict(record.seen)
    for kind, version in update.seen.items():
        seen[kind] = max(version, seen.get(kind, 0))
    return record._replace(
        reserved=update.reserved, seen=seen, last=record.last if update.last is None else update.last
    )


async def _in_time(answer: Awaitable[LeaseRecord]) -> LeaseRecord:
    try:
        async with asyncio.timeout(WRITE_SECONDS):
            return await answer
    except TimeoutError:
        raise ClusterUnavailableError(f"no answer about Lease {LEASE_NAME} within {WRITE_SECONDS:g} s") from None
