"""Watches for as long as the faults last: on all pods, told to the auditor, and on the Lease."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING

import aiohttp
import msgspec

from chaos.cluster import LEASE_NAME, LEASES, METADATA_ONLY, Lease, PodRecord, UnexpectedError
from chaos.watching import BOOKMARK, DELETED, MissedError, events

if TYPE_CHECKING:
    from chaos.auditing import Auditor, Carrier
    from chaos.claims import Claim, Claims
    from chaos.cluster import Cluster
    from chaos.doubt import Doubt

PODS = "/api/v1/pods"
PAUSE_SECONDS = 0.1


class PodFollower:
    """Follows every pod; where the watch missed something it says so."""

    def __init__(self, cluster: Cluster, auditor: Auditor, claims: Claims) -> None:
        """Follow nothing yet."""
        self.gaps = 0
        """How often the watch could not be resumed, so that pods may have come and gone unseen."""
        self._cluster = cluster
        self._auditor = auditor
        self._claims = claims
        self._reserved_of: dict[str, Claim] = {}
        self._version = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._list()
        while True:
            try:
                async for what, raw in events(self._cluster, PODS, self._version, METADATA_ONLY.format("")):
                    self._take(what, msgspec.json.decode(raw, type=PodRecord))
            except MissedError:
                self.gaps += 1
                await self._list_again()
            except (aiohttp.ClientError, OSError, TimeoutError, UnexpectedError):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _list_again(self) -> None:
        while True:
            try:
                await self._list()
            except UnexpectedError:
                await asyncio.sleep(PAUSE_SECONDS)
            else:
                return

    async def _list(self) -> None:
        listed = await self._cluster.pods()
        carriers = listed.carriers()
        for uid in self._auditor.everybody.keys() - {carrier.uid for carrier in carriers}:
            self._close(uid)
        for carrier in carriers:
            self._note(carrier)
        self._version = int(listed.metadata.resource_version)
        self._auditor.replace(carriers, self._version)

    def _take(self, what: str, pod: PodRecord) -> None:
        self._version = pod.resource_version
        if what == BOOKMARK:
            return
        carrier = pod.carrier()
        if what == DELETED:
            self._close(carrier.uid)
            self._auditor.gone(carrier.uid)
        else:
            self._note(carrier)
            self._auditor.present(carrier, self._version)

    def _note(self, carrier: Carrier) -> None:
        if carrier.uid not in self._reserved_of:
            self._reserved_of[carrier.uid] = self._claims.begin(carrier.title, -math.inf, carrier.addresses)

    def _close(self, uid: str) -> None:
        claim = self._reserved_of.pop(uid, None)
        if claim is not None:
            claim.ended = time.monotonic()


class LeaseFollower:
    """Follows the Lease, for what each new leader found in it."""

    def __init__(self, cluster: Cluster, doubt: Doubt) -> None:
        """Follow nothing yet."""
        self._cluster = cluster
        self._doubt = doubt

    async def run(self) -> None:
        """Follow until cancelled."""
        while True:
            try:
                lease = await self._cluster.lease()
                self._note(lease)
                async for what, raw in events(self._cluster, LEASES, lease.resource_version):
                    if what != BOOKMARK:
                        self._note(msgspec.json.decode(raw, type=Lease))
            except (MissedError, aiohttp.ClientError, OSError, TimeoutError, UnexpectedError):
                await asyncio.sleep(PAUSE_SECONDS)

    def _note(self, lease: Lease) -> None:
        if lease.metadata.name == LEASE_NAME:
            self._doubt.learn(lease.transitions, lease.holder, lease.named, time.monotonic())
