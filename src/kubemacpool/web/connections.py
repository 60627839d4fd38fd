"""One client's connection, with bounds on what it may do and for how long."""

import asyncio

import structlog
from aiohttp import web
from aiohttp.web_protocol import RequestHandler

from kubemacpool.web import limits
from kubemacpool.web.answers import text, unavailable
from kubemacpool.web.crowd import Crowd, Slot

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
