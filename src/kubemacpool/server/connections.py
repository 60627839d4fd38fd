"""A connection on which HTTP is spoken, with bounds on everything.

The parser is httptools'. A request is answered in the call that brought its last byte, where its handler need not wait,
and in one write; only one that waits is given a task. Requests that come before their predecessor is answered wait.
"""

import asyncio
import select
from collections import deque
from collections.abc import Callable, Coroutine
from typing import TYPE_CHECKING, Final, cast

import httptools
import structlog

from kubemacpool.server import limits
from kubemacpool.server.crowd import Crowd, Slot
from kubemacpool.server.eager import Done, run
from kubemacpool.server.messages import Request, Response, text, unavailable

if TYPE_CHECKING:
    import ssl

Handler = Callable[[Request], Coroutine[object, object, Response]]

_BAD_REQUEST: Final = 400
_LONGEST_ECHO: Final = 300
"""Characters; the message quotes the client's own bytes, of which there may be many."""

_SLICE: Final = 8 * 1024
"""Bytes that the parser is given at once: it cannot be stopped, and there may be a request in any twenty of them."""

_log = structlog.get_logger(__name__)


_NO_PARSER: Final = httptools.HttpRequestParser(object())
"""In the place of the parser of a connection that is closed; nothing is given to it."""


class _NotHttpError(Exception):
    """Raised through the parser."""


class Connection(asyncio.Protocol):
    """One client's connection.

    Args:
        handle: answers requests; it may raise what it likes.
        tasks: of all connections, those that are answering.
        loop: the running one.
    """

    def __init__(self, handle: Handler, tasks: set[asyncio.Task[Response]], loop: asyncio.AbstractEventLoop) -> None:
        self.asked = False
        """Whether it has ever carried a complete request head."""
        self.writing_paused = False
        self._handle = handle
        self._tasks = tasks
        self._loop = loop
        self._clock = loop.time
        self._made_at = self._clock()
        self._begun_at: float | None = None
        self._rests_since = self._made_at
        self._unread_since: float | None = None
        self._transport: asyncio.Transport | None = None
        self._tls: ssl.SSLObject | None = None
        self._slot: Slot | None = None
        self._crowd: Crowd | None = None
        self._source = ""
        self._parser = httptools.HttpRequestParser(self)
        self._target = b""
        self._headers: dict[bytes, bytes] = {}
        self._number_of_headers = 0
        self._head_size = 0
        self._in_head = True
        self._incoming: Request | None = None
        self._current: Request | None = None
        self._started = False
        self._messages: deque[Request] = deque()
        self._ahead = 0
        self._raw = 0
        """Bytes to come of a body that the parser takes for another protocol, because an upgrade was asked for."""
        self._unparsed: deque[memoryview] = deque()
        self._parsing = False
        self._reading_paused = False
        self._deaf = False
        self._lingers = False

    # -- what the event loop calls ---------------------------------------------------------------------------------

    def welcome(self, slot: Slot, crowd: Crowd) -> None:
        """Take over the slot that it came in by."""
        self._slot, self._crowd = slot, crowd
        self._source = slot.source.address

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """It is there, and TLS is spoken on it."""
        self._transport = cast("asyncio.Transport", transport)
        self._tls = transport.get_extra_info("ssl_object")

    def connection_lost(self, exc: Exception | None) -> None:  # noqa: ARG002 (why makes no difference)
        """It is closed, by whichever side."""
        self._transport = None
        self._deaf = True
        if self._crowd is not None and self._slot is not None:
            self._crowd.left(self._slot)
        self._messages.clear()
        self._unparsed.clear()
        for request in (self._current, self._incoming):
            if request is not None:
                request.gone = True
                if request.reader is not None:
                    request.reader.fail(ConnectionResetError("the client is gone"))
        # Whoever refers back to this goes, so that it is freed now: what TLS has of a connection takes some ten
        # kilobytes, and the collector of cycles looks at what is older than a second when there is much of it only.
        self._parser = _NO_PARSER
        self._slot = self._crowd = self._tls = None

    def received_early(self, data: bytes) -> None:
        """Bytes that came with the handshake; they are parsed in a callback of its own, outside every task."""
        self._begun_at = self._clock()
        self._unparsed.append(memoryview(data))
        self._loop.call_soon(self._advance)

    def data_received(self, data: bytes) -> None:
        """Bytes of requests."""
        if self._begun_at is None:
            self._begun_at = self._clock()
        if not self._deaf:
            self._unparsed.append(memoryview(data))
            self._advance()

    def pause_writing(self) -> None:
        """The client does not read what it asked for."""
        self._unread_since = self._clock()
        self.writing_paused = True

    def resume_writing(self) -> None:
        """The client reads again."""
        self._unread_since = None
        self.writing_paused = False
        self._loop.call_soon(self._advance)

    # -- what the server calls ---------------------------------------------------------------------------------------

    def close_if_overdue(self) -> None:
        """Close it when nothing was asked in time, or an answer is not being read."""
        now = self._clock()
        unread = self._unread_since is not None and now - self._unread_since > limits.UNREAD_SECONDS
        if unread or (not self.asked and now - self._made_at > self._patience()):
            self.leave()
        elif self.asked and not self._busy and now - self._rests_since > limits.KEEP_ALIVE_SECONDS:
            self._close()

    def leave(self) -> None:
        """Close it at once."""
        self._deaf = True
        if self._transport is not None:
            self._transport.abort()

    def close_if_idle(self) -> None:
        """Close it if nothing is being asked, nor about to be; a request that is still arriving goes on."""
        fresh = not self.asked and self._clock() - self._made_at < limits.FRESH_SECONDS
        if not (self._busy or self._arriving or fresh or self._lingers):
            self._close()

    @property
    def _busy(self) -> bool:
        return self._current is not None or bool(self._messages)

    @property
    def _arriving(self) -> bool:
        """Whether some of a request is here, were it only in the kernel."""
        begun = self._in_head and self._head_size > 0
        return begun or (self._transport is not None and unread(self._transport))

    def _patience(self) -> float:
        """Seconds for the first request to be asked."""
        if self._begun_at is None and self._slot is not None and self._slot.source.served:
            return limits.KEEP_ALIVE_SECONDS
        return limits.FIRST_REQUEST_SECONDS

    # -- what the parser calls ---------------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        """A request begins."""
        self._target = b""
        self._headers = {}
        self._number_of_headers = 0

    def on_url(self, piece: bytes) -> None:
        """A piece of the request's target."""
        self._target += piece
        if len(self._target) > limits.MAX_LINE:
            raise _NotHttpError(f"the request line has more than {limits.MAX_LINE} bytes")

    def on_header(self, name: bytes, value: bytes) -> None:
        """A header, or a trailer, which nobody reads."""
        self._number_of_headers += 1
        if self._number_of_headers > limits.MAX_HEADERS:
            raise _NotHttpError(f"more than {limits.MAX_HEADERS} headers")
        if len(name) + len(value) > limits.MAX_LINE:
            raise _NotHttpError(f"a header has more than {limits.MAX_LINE} bytes")
        if not self._in_head:
            return
        name = name.lower()
        if name in self._headers:
            if name == b"host":
                raise _NotHttpError("more than one Host")
            value = self._headers[name] + b", " + value
        self._headers[name] = value

    def on_headers_complete(self) -> None:
        """A request's head is there."""
        parser, headers = self._parser, self._headers
        self._in_head = False
        version = parser.get_http_version()
        if version == "1.1":
            if b"host" not in headers:
                raise _NotHttpError("no Host")
        elif version != "1.0":
            raise _NotHttpError(f"HTTP/{version} is not spoken here")
        coding = headers.get(b"transfer-encoding")
        if coding is not None and coding.lower() != b"chunked":
            raise _NotHttpError("only the transfer coding chunked is understood")
        if parser.should_upgrade():
            if coding is not None:
                raise _NotHttpError("an upgrade has no transfer coding")
            self._raw = int(headers.get(b"content-length", b"0"))
        request = Request(parser.get_method().decode("ascii"), _origin_form(self._target), headers, self._source)
        request.tls = self._tls
        request.old = version == "1.0"
        request.keep_alive = parser.should_keep_alive()
        self._incoming = request
        self.asked = True
        if self._current is None and not self._messages and not self.writing_paused:
            self._current, self._started = request, False
        else:
            self._messages.append(request)

    def on_body(self, piece: bytes) -> None:
        """More of a body; not of one that is answered already."""
        request = self._incoming
        if request is None or self._deaf:
            return
        if request.reader is not None:
            request.reader.take(piece)
        else:
            request.pieces.append(piece)
            self._ahead += len(piece)

    def on_message_complete(self) -> None:
        """A request is there."""
        if self._raw:
            return
        request, self._incoming = self._incoming, None
        self._in_head = True
        self._head_size = 0
        if request is None or self._deaf:
            return
        request.complete = True
        if request is not self._current:
            return
        if self._crowd is not None and self._slot is not None:
            self._crowd.heard(self._slot)
        if request.reader is not None:
            request.reader.complete()
        elif not self._started:
            self._answer(request)

    # -- from bytes to answers ---------------------------------------------------------------------------------------

    def _advance(self) -> None:
        """Parse and answer as far as it goes without waiting."""
        if self._parsing:
            return
        self._parsing = True
        try:
            self._next()
            while self._unparsed and not self._deaf and not self._is_full():
                data = self._unparsed.popleft()
                if len(data) > _SLICE:
                    self._unparsed.appendleft(data[_SLICE:])
                    data = data[:_SLICE]
                self._parse(data)
                self._next()
        except Exception:  # noqa: BLE001 (a fault of ours; see promise 7)
            _log.exception("request failed outside its handler", client=self._source)
            self._give_up(unavailable("kubemacpool: internal error; see the log of this replica", close=True))
        finally:
            self._parsing = False
        self._pace()

    def _is_full(self) -> bool:
        """Whether enough waits for the request before it, or for the client to read."""
        return self.writing_paused or len(self._messages) >= limits.MAX_PIPELINED or self._ahead > limits.READ_AHEAD

    def _pace(self) -> None:
        """Read as long as there is use for what is read."""
        full = bool(self._unparsed) and not self._deaf
        if full is not self._reading_paused and self._transport is not None:
            self._reading_paused = full
            if full:
                self._transport.pause_reading()
            else:
                self._transport.resume_reading()

    def _take_raw(self, data: memoryview) -> None:
        """A body, or a piece of it."""
        piece, rest = data[: self._raw], data[self._raw :]
        if rest:
            self._unparsed.appendleft(rest)
        self._raw -= len(piece)
        self.on_body(bytes(piece))
        if not self._raw:
            self.on_message_complete()

    def _parse(self, data: memoryview) -> None:
        if self._raw:
            self._take_raw(data)
            return
        if self._in_head:
            self._head_size += len(data)
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            # Declined, by going on as if nobody had asked for it.
            self._parser = httptools.HttpRequestParser(self)
            if rest := data[upgrade.args[0] :]:
                self._unparsed.appendleft(rest)
        except httptools.HttpParserCallbackError as error:
            if not isinstance(error.__context__, _NotHttpError):
                raise
            self._not_http(str(error.__context__))
        except httptools.HttpParserError as error:
            self._not_http(str(error) or type(error).__name__)
        if self._in_head and self._head_size > limits.MAX_HEAD:
            _log.info("the head of a request is too long", client=self._source)
            self.leave()

    def _not_http(self, message: str) -> None:
        """Nothing that follows on this connection can be understood."""
        if self._deaf:
            return
        _log.info("not an HTTP request", client=self._source, error=message)
        self._unparsed.clear()
        self._deaf = True
        message = f"not an HTTP request: {message}"[:_LONGEST_ECHO]
        request, self._incoming = self._incoming, None
        if request is None:
            request = Request("", "", {}, self._source)
            self._messages.append(request)
        request.broken = message
        if request.reader is not None:
            request.reader.fail(ConnectionError(message))

    def _next(self) -> None:
        """Begin with the request whose turn it is, though its body may still be arriving; as many as do not wait."""
        while True:
            if self._current is None and self._messages and not self.writing_paused:
                self._current, self._started = self._messages.popleft(), False
            request = self._current
            if request is None or self._started:
                return
            if request.complete and self._crowd is not None and self._slot is not None:
                self._crowd.heard(self._slot)
            self._answer(request)

    def _answer(self, request: Request) -> None:
        self._started = True
        if request.broken:
            self._send(request, text(_BAD_REQUEST, request.broken, close=True))
            return
        self._ahead -= sum(map(len, request.pieces))
        answering = run(self._handle(request), self._loop)
        if isinstance(answering, Done):
            self._send(request, answering.result)
        else:
            self._tasks.add(answering)
            answering.add_done_callback(self._answered)

    def _answered(self, task: asyncio.Task[Response]) -> None:
        """A request that had to wait has its answer."""
        self._tasks.discard(task)
        request = self._current
        if request is None or task.cancelled():
            self.leave()
            return
        try:
            self._send(request, task.result())
        except Exception:  # noqa: BLE001 (a fault of ours; see promise 7)
            _log.exception("request failed outside its handler", client=self._source)
            self._give_up(unavailable("kubemacpool: internal error; see the log of this replica", close=True))
        self._advance()

    def _give_up(self, response: Response) -> None:
        """Answer the request under way with a fault of ours, and end the connection."""
        request = self._current or self._incoming or Request("", "", {}, self._source)
        request.complete = False
        if self._transport is not None:
            self._transport.write(response.encode(request))
        self._linger()

    def _send(self, request: Request, response: Response) -> None:
        """Send the answer; from then on the connection rests."""
        if not (request.complete and request.keep_alive):
            response.close = True
        data = response.encode(request)
        self._current = None
        self._rests_since = self._clock()
        if self._incoming is request:
            self._incoming = None
        if self._transport is None:
            return
        self._transport.write(data)
        if self._crowd is not None and self._slot is not None:
            self._crowd.answered(self._slot, good=response.status < _BAD_REQUEST)
        if response.close:
            if request.complete and not self._unparsed:
                self._close()
            else:
                self._linger()

    def _linger(self) -> None:
        """Close it after a while: a client that is still sending would not see its answer otherwise."""
        self._current = None
        self._deaf = self._lingers = True
        self._messages.clear()
        self._unparsed.clear()
        self._loop.call_later(limits.LINGER_SECONDS, self._close)

    def _close(self) -> None:
        self._deaf = True
        self._messages.clear()
        self._unparsed.clear()
        if self._transport is not None:
            self._transport.close()


def unread(transport: asyncio.BaseTransport) -> bool:
    """Whether there are bytes that the event loop has not read yet: timers run first, and there may have been a pause.

    Whoever has sent them, a request perhaps, has had no chance to see that the connection is about to be closed.
    """
    socket = transport.get_extra_info("socket")
    if socket is None:  # it is closed, and its protocol is about to be told
        return False
    waiting = select.poll()
    waiting.register(socket.fileno(), select.POLLIN)
    return bool(waiting.poll(0))


def _origin_form(target: bytes) -> str:
    """Path and query of a request's target.

    Raises:
        _NotHttpError: it has none.
    """
    if not target.isascii():
        raise _NotHttpError("the request's target is not ASCII")
    if target.startswith((b"/", b"*")):
        return target.decode("ascii")
    try:
        url = httptools.parse_url(target)
    except httptools.HttpParserInvalidURLError as error:
        raise _NotHttpError("the request's target is no URL") from error
    path = url.path or b"/"
    return (path if not url.query else path + b"?" + url.query).decode("ascii")
