"""A connection until TLS is spoken on it: counted from its first packet."""

import asyncio
import ssl
from collections.abc import Awaitable, Callable
from typing import Protocol, cast

import structlog

from kubemacpool.server import limits
from kubemacpool.server.connections import Connection, unread
from kubemacpool.server.crowd import Crowd, Slot
from kubemacpool.server.eager import begun

_log = structlog.get_logger(__name__)


class Entrance(asyncio.Protocol):
    """One connection until its TLS handshake is done; without TLS, for a moment only.

    The event loop's own servers show a connection to nobody before its handshake is done. Those that never finish it
    could neither be counted nor sent away.

    Args:
        crowd: who is here already.
        tls: how we prove who we are; None for a port without TLS.
        make: gives the connection that HTTP is spoken on.
    """

    def __init__(self, crowd: Crowd, tls: ssl.SSLContext | None, make: Callable[[], Connection]) -> None:
        self._crowd = crowd
        self._tls = tls
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._slot: Slot | None = None
        self._transport: asyncio.Transport | None = None
        self._securing: asyncio.Task[None] | None = None
        self._early: list[bytes] = []
        self._gone = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Somebody has connected; go on if there is room."""
        self._transport = cast("asyncio.Transport", transport)
        peer = transport.get_extra_info("peername")
        self._slot = self._crowd.enter(str(peer[0]) if peer else "", self)
        if self._slot is None:
            self._transport.abort()
        elif self._tls is None:
            self._hand_over(self._transport, self._slot)
        else:
            # What begins here must have begun before this method returns: uvloop reads from then on, and the client's
            # first packet would come to this object.
            try:
                secured = begun(self._shake_hands(self._transport, self._tls))
            except BaseException:
                self._leave_slot()
                raise
            self._securing = self._loop.create_task(self._secure(secured, self._slot))

    def data_received(self, data: bytes) -> None:
        """What was decrypted before the handshake was known to be done."""
        self._early.append(data)

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why makes no difference)
        """It is closed, by whichever side."""
        self._gone = True
        self._leave_slot()

    def close_if_overdue(self) -> None:
        """Nothing to do: the handshake has a bound of its own."""

    def close_if_idle(self) -> None:
        """Close it unless it is so new that a request may follow, or goes on just now."""
        fresh = self._slot is None or self._loop.time() - self._slot.taken_at < limits.FRESH_SECONDS
        if not (fresh or self._transport is None or unread(self._transport)):
            self.leave()

    def leave(self) -> None:
        """Close it at once."""
        self._gone = True  # uvloop calls a handshake a success that was ended so, and nobody would hear of its end
        if self._transport is not None:
            self._transport.abort()

    async def _shake_hands(self, transport: asyncio.Transport, tls: ssl.SSLContext) -> asyncio.Transport | None:
        return await self._loop.start_tls(
            transport,
            self,
            tls,
            server_side=True,
            ssl_handshake_timeout=limits.HANDSHAKE_SECONDS,
            ssl_shutdown_timeout=limits.CLOSE_SECONDS,
        )

    async def _secure(self, secured: Awaitable[asyncio.Transport | None], slot: Slot) -> None:
        transport: asyncio.Transport | None = None
        try:
            transport = await secured
        except OSError as error:  # mostly it went away, took too long, or does not speak our TLS
            if isinstance(error, ssl.SSLCertVerificationError):
                _log.warning("a client was not connected: nobody we know has signed its certificate", error=str(error))
            error.__traceback__ = None  # leads to what has the error
        finally:
            if transport is None or self._gone:
                self._leave_slot()
            self._transport = None  # refers back to this, as TLS does: it is to be freed without being looked for
        if transport is not None and not self._gone:
            cast("_Buffering", transport).set_read_buffer_limits(limits.READ_AHEAD)
            self._hand_over(transport, slot)

    def _hand_over(self, transport: asyncio.Transport, slot: Slot) -> None:
        connection = self._make()
        slot.guest = connection
        transport.set_protocol(connection)
        connection.welcome(slot, self._crowd)
        connection.connection_made(transport)
        for data in self._early:
            connection.received_early(data)

    def _leave_slot(self) -> None:
        if self._slot is not None:
            self._crowd.left(self._slot)
            self._slot = None


class _Buffering(Protocol):
    """What TLS transports have and their type does not say."""

    def set_read_buffer_limits(self, high: int) -> None: ...
