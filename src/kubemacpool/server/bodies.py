"""The bodies of requests that are in memory: each has a bound in size and one in time, and all together have one.

A body counts from its first byte until its request is answered. When there is no room for more, the longest unfinished
one goes, of the source that has most unfinished bytes: who does its work sends a body at once, and short ones come to
their end whatever others do.
"""

import asyncio
from contextlib import suppress
from types import TracebackType
from typing import Self

import structlog
from aiohttp import hdrs, web
from aiohttp.streams import StreamReader

from kubemacpool.server import limits

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
        self._dropped = 0
        self._told_at: float | None = None
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
        now = asyncio.get_running_loop().time()
        self._dropped += 1
        if self._told_at is None or now - self._told_at >= limits.TELL_SECONDS:
            _log.warning(
                "bodies of requests dropped to make room for others",
                number=self._dropped,
                limit=limits.MAX_BODIES,
                last_from=body.source,
                last_size=body.size,
            )
            self._dropped, self._told_at = 0, now

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
        self._dropped = False
        self._waiting: asyncio.Timeout | None = None

    def __enter__(self) -> Self:
        self._bodies.begin(self)
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        self._bodies.arrived(self)
        self._let_go()

    async def read(self, request: web.BaseRequest) -> bytes:
        """The request's body, within the bounds of size and time.

        Raises:
            web.HTTPBadRequest: for a transfer coding other than chunked.
            web.HTTPUnsupportedMediaType: for a compressed one, of which nobody can tell how large it is.
            web.HTTPExpectationFailed: when the client waits for a 100 (Continue); it sends the body unasked then.
            web.HTTPRequestEntityTooLarge: past `limits.MAX_BODY`.
            web.HTTPRequestTimeout: past `limits.BODY_SECONDS`.
            NoRoomError: it had to go for others.
            ConnectionError: the client is gone.
        """
        _check_head(request)
        try:
            async with asyncio.timeout(limits.BODY_SECONDS) as self._waiting:
                await self._collect(request.content)
        except TimeoutError:
            if self._dropped:
                raise NoRoomError(
                    f"more than {limits.MAX_BODIES} bytes of requests are arriving at this replica; ask again"
                ) from None
            raise web.HTTPRequestTimeout(text=f"the body did not arrive within {limits.BODY_SECONDS:g} s") from None
        except RuntimeError:
            if request.transport is None:  # aiohttp says so to whoever goes on reading
                raise ConnectionResetError("the client is gone") from None
            raise
        self._bodies.arrived(self)
        return b"".join(self._content)

    def drop(self) -> None:
        """Let go of what has arrived, and have `read` say so."""
        self._dropped = True
        self._let_go()
        if self._waiting is not None:
            with suppress(RuntimeError):  # it is over anyway
                self._waiting.reschedule(asyncio.get_running_loop().time())

    async def _collect(self, content: StreamReader) -> None:
        while (piece := await content.readany()) and not self._dropped:
            if self.size + len(piece) > limits.MAX_BODY:
                raise web.HTTPRequestEntityTooLarge(limits.MAX_BODY)
            if self._content and len(self._content[-1]) < limits.SMALL_PIECE:
                self._content[-1] += piece
            else:
                self._content.append(piece)
            self.size += len(piece)
            self._bodies.take(self, len(piece))
        if self._dropped:
            raise TimeoutError

    def _let_go(self) -> None:
        self._bodies.release(self, self.size)
        self.size = 0
        self._content.clear()


def _check_head(request: web.BaseRequest) -> None:
    transfer = request.headers.get(hdrs.TRANSFER_ENCODING, "chunked")
    if transfer.lower() != "chunked":
        raise web.HTTPBadRequest(text=f"Transfer-Encoding is {transfer}; only chunked is understood")
    coding = request.headers.get(hdrs.CONTENT_ENCODING, "identity")
    if coding.lower() != "identity":
        raise web.HTTPUnsupportedMediaType(text=f"Content-Encoding is {coding}; send the body as it is")
    if hdrs.EXPECT in request.headers:
        raise web.HTTPExpectationFailed(text=f"Expect is {request.headers[hdrs.EXPECT]}; send the body at once")
    if (request.content_length or 0) > limits.MAX_BODY:
        raise web.HTTPRequestEntityTooLarge(limits.MAX_BODY)
