"""Requests and responses, as handlers see them."""

import time
from collections.abc import Mapping
from email.utils import formatdate
from functools import lru_cache
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    import ssl

    from kubemacpool.server.bodies import Body

JSON: Final = "application/json"

_NO_HEADERS: Final[Mapping[str, str]] = {}


class RefusedError(Exception):
    """A request that is not served.

    Attributes:
        status: of HTTP.
        message: why.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Request:
    """One request, from the end of its head on.

    Attributes:
        method: in capitals.
        path: as it was sent, without the query.
        query: what follows the question mark.
        headers: by name in lower case; the values of one that came several times are a list.
        remote: the address of the client.
        tls: the connection's; None without TLS.
        keep_alive: whether the client wants to ask more on this connection.
        old: whether it is HTTP/1.0.
        pieces: of the body, as far as they have arrived and nobody has read them.
        complete: whether the body has arrived.
        gone: whether the client is.
        reader: what waits for more of the body.
        broken: why there is none in truth: the bytes were not HTTP.
    """

    __slots__ = (
        "broken",
        "complete",
        "gone",
        "headers",
        "keep_alive",
        "method",
        "old",
        "path",
        "pieces",
        "query",
        "reader",
        "remote",
        "tls",
    )

    def __init__(self, method: str, target: str, headers: dict[bytes, bytes], remote: str = "") -> None:
        self.method = method
        self.path, _, self.query = target.partition("?")
        self.headers = headers
        self.remote = remote
        self.tls: ssl.SSLObject | None = None
        self.keep_alive = True
        self.old = False
        self.pieces: list[bytes] = []
        self.complete = False
        self.gone = False
        self.reader: Body | None = None
        self.broken = ""

    def header(self, name: bytes) -> str:
        """One of the headers, empty where there is none."""
        return self.headers.get(name, b"").decode("latin-1")


class Response:
    """An answer.

    Attributes:
        status: of HTTP.
        body: what it says.
        headers: all but those that say how it is sent.
        close: whether the connection ends with it.
    """

    __slots__ = ("body", "close", "headers", "status")

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: str,
        headers: Mapping[str, str] = _NO_HEADERS,
        *,
        close: bool = False,
    ) -> None:
        self.status = status
        self.body = body
        self.headers = {"Content-Type": content_type, **headers} if headers else {"Content-Type": content_type}
        self.close = close

    def encode(self, request: Request) -> bytes:
        """The bytes that answer a request."""
        kept = "keep-alive" if request.old else ""  # what HTTP/1.1 does unsaid
        connection = "close" if self.close else kept
        beginning = _beginning("1.0" if request.old else "1.1", self.status, tuple(self.headers.items()), connection)
        head = b"%bContent-Length: %d\r\n%b" % (beginning, len(self.body), _date(int(time.time())))
        return head if request.method == "HEAD" else head + self.body


@lru_cache(maxsize=64)
def _beginning(version: str, status: int, headers: tuple[tuple[str, str], ...], connection: str) -> bytes:
    """The first lines of a response, which are the same for nearly all."""
    lines = [f"HTTP/{version} {status} {HTTPStatus(status).phrase}"]
    lines += [f"{name}: {value}" for name, value in headers]
    if connection:
        lines.append(f"Connection: {connection}")
    return "".join(f"{line}\r\n" for line in lines).encode("latin-1")


@lru_cache(maxsize=1)
def _date(second: int) -> bytes:
    """The last line, and the empty one after it."""
    return f"Date: {formatdate(second, usegmt=True)}\r\n\r\n".encode("ascii")


def text(status: int, message: str, headers: Mapping[str, str] = _NO_HEADERS, *, close: bool = False) -> Response:
    """A response in words; what of them cannot be written in UTF-8 (bytes that a client made up) is escaped."""
    body = message.encode("utf-8", "backslashreplace") + b"\n"
    return Response(status, body, "text/plain; charset=utf-8", headers, close=close)


def unavailable(message: str, *, close: bool = False) -> Response:
    """Not now; the client may ask again in a second."""
    return text(503, message, {"Retry-After": "1"}, close=close)
