"""A watch on all pods for as long as the faults last, told to the auditor."""

from __future__ import annotations

import asyncio
import math
import time
from typing import TYPE_CHECKING, Literal

import aiohttp
import msgspec

from chaos.cluster import METADATA_ONLY, OK, PodRecord, UnexpectedError

if TYPE_CHECKING:
    from chaos.auditing import Auditor, Carrier
    from chaos.claims import Claim, Claims
    from chaos.cluster import Cluster

PAUSE_SECONDS = 0.1
GONE = 410


class _Event(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _Error(msgspec.Struct):
    code: int = 0


class Follower:
    """Follows every pod; where the watch missed something it says so."""

    def __init__(self, cluster: Cluster, auditor: Auditor, claims: Claims) -> None:
        """Follow nothing yet."""
        self.gaps = 0
        """How often the watch could not be resumed, so that pods may have come and gone unseen."""
        self._cluster = cluster
        self._auditor = auditor
        self._claims = claims
        self._open: dict[str, Claim] = {}
        self._version = 0

    async def run(self) -> None:
        """Follow until cancelled."""
        await self._list()
        while True:
            try:
                await self._watch()
            except (aiohttp.ClientError, OSError, TimeoutError, UnexpectedError):
                await asyncio.sleep(PAUSE_SECONDS)

    async def _list(self) -> None:
        listed = await self._cluster.pods()
        carriers = listed.carriers()
        for uid in self._auditor.live.keys() - {carrier.uid for carrier in carriers}:
            self._close(uid)
        for carrier in carriers:
            self._note(carrier)
        self._version = int(listed.metadata.resource_version)
        self._auditor.replace(carriers, self._version)

    async def _watch(self) -> None:
        async with self._cluster.session.get(
            f"{self._cluster.url}/api/v1/pods",
            params={"watch": "1", "resourceVersion": str(self._version), "allowWatchBookmarks": "true"},
            headers={"Accept": METADATA_ONLY.format("")},
            timeout=aiohttp.ClientTimeout(total=None),
        ) as stream:
            if stream.status == GONE:
                await self._relist()
                return
            if stream.status != OK:
                message = f"the watch was answered with {stream.status}"
                raise UnexpectedError(message)
            while line := await stream.content.readline():
                event = msgspec.json.decode(line, type=_Event)
                if event.type == "ERROR":
                    if msgspec.json.decode(event.object, type=_Error).code == GONE:
                        await self._relist()
                    return
                self._take(event.type, msgspec.json.decode(event.object, type=PodRecord))

    async def _relist(self) -> None:
        self.gaps += 1
        await self._list()

    def _take(self, what: str, pod: PodRecord) -> None:
        self._version = pod.resource_version
        if what == "BOOKMARK":
            return
        carrier = pod.carrier()
        if what == "DELETED":
            self._close(carrier.uid)
            self._auditor.gone(carrier.uid)
        else:
            self._note(carrier)
            self._auditor.present(carrier, self._version)

    def _note(self, carrier: Carrier) -> None:
        if carrier.uid not in self._open:
            self._open[carrier.uid] = self._claims.begin(carrier.title, -math.inf, carrier.addresses)

    def _close(self, uid: str) -> None:
        claim = self._open.pop(uid, None)
        if claim is not None:
            claim.ended = time.monotonic()
