"""A connection: counted from its first packet, then TLS, then HTTP with bounds on everything."""

import asyncio
import ssl
import types
from collections.abc import Awaitable, Callable, Coroutine, Generator, Mapping
from typing import Protocol, TypeVar, cast

import structlog
from aiohttp import hdrs, web
from aiohttp.web_protocol import RequestHandler

from kubemacpool.server import limits
from kubemacpool.server.crowd import Crowd, Slot


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response in words; what of them cannot be written in UTF-8 (bytes that a client made up) is escaped."""
    body = message.encode("utf-8", "backslashreplace") + b"\n"
    return web.Response(status=status, body=body, content_type="text/plain", charset="utf-8", headers=headers)


def unavailable(message: str) -> web.Response:
    """Not now; the client may ask again in a second."""
    return text(503, message, {hdrs.RETRY_AFTER: "1"})


_BAD_REQUEST = 400
_LONGEST_ECHO = 300
"""Characters; the message quotes the client's own bytes, of which there may be many."""

_log = structlog.get_logger(__name__)


class Connection(RequestHandler):
    """One client's connection."""

    def __init__(self, manager: web.Server, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(
            manager,
            loop=loop,
            access_log=None,  # type: ignore[arg-type]  # None is how aiohttp itself turns it off
            keepalive_timeout=limits.KEEP_ALIVE_SECONDS,
            lingering_time=limits.LINGER_SECONDS,
            max_line_size=limits.MAX_LINE,
            max_field_size=limits.MAX_LINE,
            max_headers=limits.MAX_HEADERS,
            read_bufsize=limits.READ_AHEAD,
            auto_decompress=False,
        )
        self.asked = False
        """Whether it has ever carried a complete request head."""
        self._clock = loop.time
        self._made_at = self._clock()
        self._begun_at: float | None = None
        self._head_size = 0
        self._max_msg_queue_size = limits.MAX_PIPELINED
        self._msg_queue_resume_size = limits.MAX_PIPELINED // 2
        self._unread_since: float | None = None
        self._slot: Slot | None = None
        self._crowd: Crowd | None = None

    def welcome(self, slot: Slot, crowd: Crowd) -> None:
        """Take over the slot that it came in by."""
        self._slot, self._crowd = slot, crowd

    def connection_lost(self, exc: BaseException | None) -> None:
        """It is closed, by whichever side."""
        if self._crowd is not None and self._slot is not None:
            self._crowd.left(self._slot)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Bytes of a request."""
        if self._begun_at is None:
            self._begun_at = self._clock()
        super().data_received(data)
        if self._waiter is None or self._waiter.done():
            self._head_size = 0
            return
        self._head_size += len(data)
        if self._head_size > limits.MAX_HEAD:
            _log.info("the head of a request is too long", client=self._slot and self._slot.source.address)
            self.leave()

    def heard(self) -> None:
        """The request under way has arrived completely; after its answer it makes no difference any more."""
        if self._request_in_progress and self._crowd is not None and self._slot is not None:
            self._crowd.heard(self._slot)

    async def finish_response(
        self, request: web.BaseRequest, resp: web.StreamResponse, start_time: float | None
    ) -> tuple[web.StreamResponse, bool]:
        """Send the answer; from then on the connection rests."""
        sent = await super().finish_response(request, resp, start_time)
        if self._crowd is not None and self._slot is not None:
            self._crowd.answered(self._slot, good=resp.status < _BAD_REQUEST)
        return sent

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        self._unread_since = self._clock()
        super().pause_writing()

    def resume_writing(self) -> None:
        """The client reads again."""
        self._unread_since = None
        super().resume_writing()

    def close_if_overdue(self) -> None:
        """Close it when nothing was asked in time, or an answer is not being read."""
        now = self._clock()
        unread = self._unread_since is not None and now - self._unread_since > limits.UNREAD_SECONDS
        if unread or (not self.asked and now - self._made_at > self._patience()):
            self.leave()

    def leave(self) -> None:
        """Close it at once."""
        transport = self.transport
        self.force_close()
        if transport is not None:
            transport.abort()

    def close_if_idle(self) -> None:
        """Close it if nothing is being asked, nor about to be; a request whose body is still arriving goes on."""
        fresh = not self.asked and self._clock() - self._made_at < limits.FRESH_SECONDS
        if not (self._request_in_progress or self._messages or fresh):
            self.force_close()

    def _patience(self) -> float:
        """Seconds for the first request to be asked."""
        if self._begun_at is None and self._slot is not None and self._slot.source.served:
            return limits.KEEP_ALIVE_SECONDS
        return limits.FIRST_REQUEST_SECONDS

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """What the protocol itself could not deal with: not HTTP (400), or a fault of ours.

        A fault of ours is never a 500: the API server would take that for an answer (promise 7).

        Raises:
            ConnectionError: when an answer is under way already.
        """
        if request.writer.output_size > 0:
            raise ConnectionError("an answer is under way already")
        if status == _BAD_REQUEST:
            _log.info("not an HTTP request", client=request.remote, error=type(exc).__name__)
            response = text(400, f"not an HTTP request: {message}"[:_LONGEST_ECHO])
        else:
            _log.error("request failed outside its handler", client=request.remote, exc_info=exc)
            response = unavailable("kubemacpool: internal error; see the log of this replica")
        response.force_close()
        return response


ResultT = TypeVar("ResultT")


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
        """Close it unless it is so new that a request may follow."""
        if self._slot is not None and self._loop.time() - self._slot.taken_at >= limits.FRESH_SECONDS:
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
        except ssl.SSLCertVerificationError as error:
            _log.warning("a client was not connected: nobody we know has signed its certificate", error=str(error))
        except OSError:  # it went away, took too long, or does not speak our TLS
            pass
        finally:
            if transport is None or self._gone:
                self._leave_slot()
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
            connection.data_received(data)

    def _leave_slot(self) -> None:
        if self._slot is not None:
            self._crowd.left(self._slot)


class _Buffering(Protocol):
    """What TLS transports have and their type does not say."""

    def set_read_buffer_limits(self, high: int) -> None: ...


def begun(coroutine: Coroutine[object, object, ResultT]) -> Awaitable[ResultT]:
    """Run a coroutine up to where it first waits; whoever awaits the result runs the rest.

    A task does so with `eager_start`, which Python has from 3.12 on.
    """
    waited_for = coroutine.send(None)

    @types.coroutine
    def rest() -> Generator[object, object, ResultT]:
        pending = waited_for
        try:
            while True:
                try:
                    woken_with = yield pending
                except BaseException as error:  # noqa: BLE001 (cancelled: the coroutine is to know)
                    pending = coroutine.throw(error)
                else:
                    pending = coroutine.send(woken_with)
        except StopIteration as end:
            return cast("ResultT", end.value)

    return rest()
