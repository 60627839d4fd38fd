"""Handing reviews to the other replicas, over TLS that trusts nobody but our own certificate authority."""

import ssl
from collections.abc import Callable
from typing import Final, Self

import aiohttp

from kubemacpool.ports import PeerError, UnreachableError
from kubemacpool.server import limits
from kubemacpool.wire.review import Answer

FORWARDED: Final = "Kubemacpool-Forwarded"
"""The header that tells a review from another replica: it is not handed on again."""

FORBIDDEN: Final = 403
"""What a replica says that does not know us for one (yet): no answer for whoever has asked us."""

_LONGEST_ECHO: Final = 500

CONNECT_SECONDS: Final = 1.0
"""For TCP and TLS between two replicas. A machine that is gone says nothing, and the review is waiting."""

KEEP_ALIVE_SECONDS: Final = 60.0
"""Less than `limits.KEEP_ALIVE_SECONDS` of the other side, which must not be the one that closes."""

UNREACHABLE: Final = (aiohttp.ClientConnectorError, aiohttp.ConnectionTimeoutError)
"""There was no connection, and so the other replica was not asked."""


class PeerClient:
    """Implements `kubemacpool.ports.forwarding.Peer`. Used as an async context manager, which closes its connections.

    Args:
        tls: gives what trusts our own certificate authorities, and proves us a replica, as of now.
        server_name: the name in every replica's certificate.
        distrusted: called when the other replica's certificate was not accepted, or ours not by the other.
    """

    def __init__(
        self, tls: Callable[[], ssl.SSLContext], server_name: str, distrusted: Callable[[], None] = lambda: None
    ) -> None:
        self._tls = tls
        self._server_name = server_name
        self._distrusted = distrusted
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=KEEP_ALIVE_SECONDS)
        self._session = aiohttp.ClientSession(connector=connector, cookie_jar=aiohttp.DummyCookieJar())
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def forward(self, endpoint: str, path: str, body: bytes, seconds: float) -> Answer:
        """The other replica's answer to a review."""
        if self._session is None:
            raise RuntimeError("PeerClient is used outside its `async with`")
        timeout = aiohttp.ClientTimeout(total=seconds, connect=CONNECT_SECONDS, sock_connect=CONNECT_SECONDS)
        try:
            async with self._session.post(
                f"https://{endpoint}{path}",
                data=body,
                headers={FORWARDED: "1", "Content-Type": "application/json", "Accept-Encoding": "identity"},
                ssl=self._tls(),
                server_hostname=self._server_name,
                timeout=timeout,
                allow_redirects=False,
            ) as response:
                content = await _whole(response.content)
                retry_after = response.headers.get("Retry-After", "")
                answer = Answer(
                    response.status,
                    content,
                    response.content_type,
                    int(retry_after) if retry_after.isdecimal() else None,
                )
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            if isinstance(error, ssl.SSLError | aiohttp.ClientSSLError):
                self._distrusted()
            kind = UnreachableError if isinstance(error, UNREACHABLE) else PeerError
            raise kind(f"replica {endpoint} gave no answer: {str(error) or type(error).__name__}") from error
        if answer.status == FORBIDDEN:
            self._distrusted()
            said = answer.body[:_LONGEST_ECHO].decode("utf-8", "replace").strip()
            raise UnreachableError(f"replica {endpoint} refuses us: {said}")
        return answer


async def _whole(content: aiohttp.StreamReader) -> bytes:
    """A body from beginning to end.

    Raises:
        ValueError: it is greater than any answer of ours.
    """
    body = bytearray()
    async for piece in content.iter_any():
        body += piece
        if len(body) > limits.MAX_BODY:
            raise ValueError(f"more than {limits.MAX_BODY} bytes")
    return bytes(body)
