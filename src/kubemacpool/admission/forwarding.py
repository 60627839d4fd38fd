"""Reaching the leader: many reviews wait for it, and one of them at a time tries while it is silent.

A failover takes seconds. Were each of a thousand reviews to try by itself again and again, they would keep the loop
from what they wait for: that this replica acquires the Lease.
"""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final, NamedTuple

from kubemacpool.election.timing import RENEWAL_SECONDS
from kubemacpool.ports import Clock, Leadership, Peer, PeerError, UnreachableError
from kubemacpool.wire.review import MISDIRECTED, Answer

PAUSE_SECONDS: Final = 0.1
"""Between two attempts of those who wait, when nothing has changed meanwhile."""

PROBE_SECONDS: Final = 1.0
"""Between two attempts of those who come, while the leader is not reached from here. Where the network
says nothing, each of them waits for as long as a connection may take."""

ALIVE_SECONDS: Final = 2 * RENEWAL_SECONDS
"""Who has renewed the Lease within so long is alive: one renewal may be late."""


class _Failure(NamedTuple):
    """The attempts at an endpoint since it last answered.

    Attributes:
        endpoint: where.
        since: when the first of them began.
        latest: when the last of them ended.
        took: how long that one took.
        connected: whether there was a connection, the last time.
    """

    endpoint: str
    since: float
    latest: float
    took: float
    connected: bool


class Forwarder:
    """Whether the leader answers this one, and those who wait for that."""

    def __init__(self, leadership: Leadership, peer: Peer, clock: Clock) -> None:
        """Know nothing yet.

        Args:
            leadership: who leads.
            peer: reaches the others.
            clock: the process's own.
        """
        self._leadership = leadership
        self._peer = peer
        self._clock = clock
        self._failure: _Failure | None = None
        self._trying = False
        self._waiting: dict[asyncio.Future[bool], None] = {}
        self._lookout: asyncio.Task[None] | None = None

    def may_try(self, endpoint: str) -> bool:
        """Whether a review that has just come may be forwarded: not to one that is silent, unless nobody has tried."""
        failure = self._failure
        if failure is None or failure.endpoint != endpoint:
            return True
        return not self._trying and self.is_cut_off and self._clock.now() - failure.latest >= PROBE_SECONDS

    @property
    def is_cut_off(self) -> bool:
        """Whether the leader lives, as the Lease shows, and is not reached from here.

        Then others may well reach it, and nobody should wait here.
        """
        failure = self._failure
        if failure is None or failure.connected or failure.endpoint != self._leadership.leader_endpoint:
            return False
        silence = self._leadership.seconds_since_renewal
        return silence < ALIVE_SECONDS and self._clock.now() - silence > failure.since

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """The other replica's answer, as `Peer` has it; all that wait are woken if it answers again.

        Raises:
            PeerError: there is none.
        """
        began = self._clock.now()
        with self._trial(endpoint):
            try:
                answer = await self._peer.forward(endpoint, path, body, seconds)
            except PeerError as error:
                self._fail(endpoint, began, connected=not isinstance(error, UnreachableError))
                raise
        if answer.status == MISDIRECTED:
            self._fail(endpoint, began, connected=True)
        elif self._failure is not None:
            self._failure = None
            self._tell()
        return answer

    async def turn(self, seconds: float) -> bool:
        """Returns when something has changed, or after so many seconds; true to the one whose turn it is to try."""
        turn: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        self._waiting[turn] = None
        if self._lookout is None:
            self._lookout = asyncio.create_task(self._look_out())
        try:
            async with asyncio.timeout(seconds):
                return await turn
        except TimeoutError:
            return False
        finally:
            self._waiting.pop(turn, None)

    async def _look_out(self) -> None:
        """Look again and again for all who wait, as long as there are any."""
        leadership = self._leadership
        try:
            while self._waiting:
                await leadership.until_changed(PAUSE_SECONDS)
                if leadership.leading or leadership.out_of_touch or self.is_cut_off:
                    self._tell()
                elif not self._trying and self._is_time() and self._waiting:
                    self._take_turn(next(iter(self._waiting)), mine=True)
        finally:
            self._lookout = None

    def _is_time(self) -> bool:
        """Whether to try again: a network that says nothing is given as long as the last attempt took."""
        failure = self._failure
        if failure is None or failure.endpoint != self._leadership.leader_endpoint:
            return True
        return self._clock.now() - failure.latest >= failure.took

    def _tell(self) -> None:
        """Everybody looks again."""
        for turn in list(self._waiting):
            self._take_turn(turn, mine=False)

    def _take_turn(self, turn: "asyncio.Future[bool]", *, mine: bool) -> None:
        del self._waiting[turn]
        if not turn.done():
            turn.set_result(mine)

    @contextmanager
    def _trial(self, endpoint: str) -> Iterator[None]:
        """An attempt at a replica that was silent; meanwhile nobody else tries."""
        mine = self._failure is not None and self._failure.endpoint == endpoint
        self._trying = self._trying or mine
        try:
            yield
        finally:
            if mine:
                self._trying = False

    def _fail(self, endpoint: str, began: float, *, connected: bool) -> None:
        known = self._failure
        since = began if known is None or known.endpoint != endpoint else min(began, known.since)
        now = self._clock.now()
        self._failure = _Failure(endpoint, since, now, now - began, connected)
