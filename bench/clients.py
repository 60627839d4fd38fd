"""Clients that create pods one after the other, whatever happens, and remember when each was done."""

from __future__ import annotations

import asyncio
import re
import ssl
import time
from collections import Counter
from itertools import count, pairwise
from typing import TYPE_CHECKING, NamedTuple, Self

import aiohttp
import msgspec
from bench.pods import PODS
from bench.results import Gap

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.controlplane import ControlPlane

# Between two creates of one client: the gaps of interest are much longer.
PAUSE_SECONDS = 0.02
# Longer than any create may take: three times the webhook's time-out as shipped.
CREATE_SECONDS = 30.0
CREATED = 201
_EPHEMERAL = re.compile(r":\d+->")


class Create(NamedTuple):
    """One create: when it began and ended, and what went wrong, if anything."""

    began: float
    ended: float
    fault: str


def gap(creates: Sequence[Create], known_ms: float) -> Gap:
    """Sum up what was seen.

    Args:
        creates: all of them, in any order.
        known_ms: for how long nobody led, as far as the replicas know.
    """
    good = sorted(create.ended for create in creates if not create.fault)
    return Gap(
        creates=len(creates),
        failed=Counter(create.fault for create in creates if create.fault),
        longest_gap_ms=max((later - earlier for earlier, later in pairwise(good)), default=0.0) * 1000,
        longest_create_ms=max((create.ended - create.began for create in creates), default=0.0) * 1000,
        known_ms=known_ms,
    )


def reason(answer: bytes) -> str:
    """Why a create failed, without what differs from one to the next."""
    try:
        message = msgspec.json.decode(answer, type=_Status).message
    except msgspec.DecodeError:
        message = answer.decode(errors="replace")
    return _EPHEMERAL.sub("->", message.partition("failed to call webhook: ")[2] or message)


class Clients:
    """Creates pods for as long as the block lasts."""

    def __init__(self, control_plane: ControlPlane, body: bytes, number: int) -> None:
        """Make ready.

        Args:
            control_plane: where pods are created.
            body: a pod, with a place for a number that no other pod has.
            number: how many clients there are.
        """
        pki = control_plane.layout.pki
        self._tls = ssl.create_default_context(cafile=str(control_plane.ca_path))
        self._tls.load_cert_chain(pki / "admin.crt", pki / "admin.key")
        self._url = f"{control_plane.server_url}{PODS}"
        self._body = body
        self._number = number
        self._names = count()
        self._ending = False
        self._tasks: list[asyncio.Task[None]] = []
        self.creates: list[Create] = []

    async def __aenter__(self) -> Self:
        """Begin."""
        self._tasks = [asyncio.create_task(self._create_pods()) for _ in range(self._number)]
        return self

    async def __aexit__(self, *_: object) -> None:
        """End, whatever is under way."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def finish(self) -> None:
        """Begin no more creates, and wait for those under way."""
        self._ending = True
        await asyncio.gather(*self._tasks)

    async def _create_pods(self) -> None:
        timeout = aiohttp.ClientTimeout(total=CREATE_SECONDS)
        connector = aiohttp.TCPConnector(ssl=self._tls)
        async with aiohttp.ClientSession(timeout=timeout, connector=connector) as session:
            while not self._ending:
                body = self._body.replace(b"############", b"%012d" % next(self._names))
                began = time.monotonic()
                fault = await self._create(session, body)
                self.creates.append(Create(began, time.monotonic(), fault))
                await asyncio.sleep(PAUSE_SECONDS)

    async def _create(self, session: aiohttp.ClientSession, body: bytes) -> str:
        try:
            async with session.post(
                self._url, data=body, headers={"Content-Type": "application/json", "Accept": "application/json"}
            ) as answer:
                text = await answer.read()
                return "" if answer.status == CREATED else reason(text)
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"the API server did not answer: {type(error).__name__}"


class _Status(msgspec.Struct):
    message: str = ""
