"""The bodies of requests that are in memory: each has a bound in size and one in time, and all together have one.

A body counts from its first byte until its request is answered. When there is no room for more, the longest unfinished
one goes, of the source that has most unfinished bytes: who does its work sends a body at once, and short ones come to
their end whatever others do.
"""

import asyncio
from types import TracebackType
from typing import Self

import structlog

from kubemacpool.pacing import Tally
from kubemacpool.server import limits
from kubemacpool.server.messages import RefusedError, Request

_log = structlog.get_logger(__name__)


class NoRoomError(Exception):
    """A body had to go because there are too many; the message says so to the client, who may ask again."""


class Bodies:
    """All bodies of one server.

    Attributes:
        held: bytes of those that are in memory.
    """

    def __init__(self) -> None:
        self.held = 0
        self._dropped = Tally(limits.TELL_SECONDS)
        self._of_source: dict[str, int] = {}
        self._arriving: dict[str, dict[Body, None]] = {}

    def expect(self, source: str) -> "Body":
        """A body that is about to arrive from an address."""
        return Body(self, source)

    def begin(self, body: "Body") -> None:
        """From now on it may have to go for others."""
        self._arriving.setdefault(body.source, {})[body] = None

    def arrived(self, body: "Body") -> None:
        """It is complete, or will never be; from now on it stays."""
        bodies = self._arriving.get(body.source, {})
        bodies.pop(body, None)
        if not bodies:
            self._arriving.pop(body.source, None)

    def take(self, body: "Body", size: int) -> None:
        """Count more bytes of one, others being dropped for them where needed; or this one, which then says so."""
        self._count(body.source, size)
        share = limits.MAX_BODIES // limits.SOURCE_DIVISOR
        while self._of_source.get(body.source, 0) > share and self._arriving.get(body.source):
            self._drop(body.source)
        while self.held > limits.MAX_BODIES and self._arriving:
            self._drop(max(self._arriving, key=lambda source: sum(each.size for each in self._arriving[source])))

    def release(self, body: "Body", size: int) -> None:
        """Forget bytes of one."""
        self._count(body.source, -size)

    def _drop(self, source: str) -> None:
        longest = max(self._arriving[source], key=lambda body: body.size)
        self._tell(longest)
        self.arrived(longest)
        longest.drop()

    def _tell(self, body: "Body") -> None:
        self._dropped.count += 1
        if number := self._dropped.due(asyncio.get_running_loop().time()):
            _log.warning(
                "bodies of requests dropped to make room for others",
                number=number,
                limit=limits.MAX_BODIES,
                last_from=body.source,
                last_size=body.size,
            )

    def _count(self, source: str, size: int) -> None:
        self.held += size
        self._of_source[source] = self._of_source.get(source, 0) + size
        if not self._of_source[source]:
            del self._of_source[source]


class Body:
    """One body, in memory until the end of its `with`.

    Attributes:
        source: the address that it comes from.
        size: bytes of it that are in memory.
    """

    def __init__(self, bodies: Bodies, source: str) -> None:
        self.source = source
        self.size = 0
        self._bodies = bodies
        self._content: list[bytes] = []
        self._failure: Exception | None = None
        self._waiting: asyncio.Future[None] | None = None

    def __enter__(self) -> Self:
        self._bodies.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bodies.arrived(self)
        self._let_go()

    async def read(self, request: Request) -> bytes:
        """The request's body, within the bounds of size and time.

        Raises:
            RefusedError: 400 for a transfer coding other than chunked; 415 for a compressed body, of which nobody can
                tell how large it is; 417 when the client waits for a 100 (Continue), and sends the body unasked then;
                413 past `limits.MAX_BODY`; 408 past `limits.BODY_SECONDS`.
            NoRoomError: it had to go for others.
            ConnectionError: the client is gone.
        """
        _check_head(request)
        pieces, request.pieces = request.pieces, []
        for piece in pieces:
            self.take(piece)
        if self._failure is None and not request.complete:
            await self._rest_of(request)
        if self._failure is not None:
            raise self._failure
        self._bodies.arrived(self)
        return self._content[0] if len(self._content) == 1 else b"".join(self._content)

    async def _rest_of(self, request: Request) -> None:
        if request.gone:
            raise ConnectionResetError("the client is gone")
        if request.broken:
            raise ConnectionError(request.broken)
        loop = asyncio.get_running_loop()
        self._waiting = loop.create_future()
        late = RefusedError(408, f"the body did not arrive within {limits.BODY_SECONDS:g} s")
        timer = loop.call_later(limits.BODY_SECONDS, self.fail, late)
        request.reader = self
        try:
            await self._waiting
        finally:
            timer.cancel()
            request.reader = None

    def take(self, piece: bytes) -> None:
        """More of it has arrived."""
        if self._failure is not None:
            return
        if self.size + len(piece) > limits.MAX_BODY:
            self.fail(_too_large())
            return
        if self._content and len(self._content[-1]) < limits.SMALL_PIECE:
            self._content[-1] += piece
        else:
            self._content.append(piece)
        self.size += len(piece)
        self._bodies.take(self, len(piece))

    def complete(self) -> None:
        """All of it has arrived."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)

    def drop(self) -> None:
        """Let go of what has arrived, and have `read` say so."""
        self._let_go()
        self.fail(
            NoRoomError(f"more than {limits.MAX_BODIES} bytes of requests are arriving at this replica; ask again")
        )

    def fail(self, error: Exception) -> None:
        """It will never be complete; `read` raises this."""
        if self._failure is None:
            self._failure = error
        self.complete()

    def _let_go(self) -> None:
        self._bodies.release(self, self.size)
        self.size = 0
        self._content.clear()


def _check_head(request: Request) -> None:
    headers = request.headers
    transfer = headers.get(b"transfer-encoding")
    if transfer is not None and transfer.lower() != b"chunked":
        raise RefusedError(400, f"Transfer-Encoding is {_quoted(transfer)}; only chunked is understood")
    coding = headers.get(b"content-encoding")
    if coding is not None and coding.lower() != b"identity":
        raise RefusedError(415, f"Content-Encoding is {_quoted(coding)}; send the body as it is")
    expected = headers.get(b"expect")
    if expected is not None:
        raise RefusedError(417, f"Expect is {_quoted(expected)}; send the body at once")
    if int(headers.get(b"content-length", b"0")) > limits.MAX_BODY:
        raise _too_large()


def _too_large() -> RefusedError:
    return RefusedError(413, f"a body has at most {limits.MAX_BODY} bytes")


def _quoted(value: bytes) -> str:
    return value.decode("latin-1")
