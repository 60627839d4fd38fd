"""HTTP to the API server: requests with bounds on time and size, and failures sorted by what the caller does next."""

import asyncio
import ssl
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from importlib.metadata import PackageNotFoundError, version
from typing import Self

import aiohttp
from yarl import URL

from kubemacpool.kube.kubeconfig import ClusterConfig
from kubemacpool.kube.streams import Patience, Server, broken, read_stream
from kubemacpool.kube.transport import (
    CONNECT_SECONDS,
    JSON,
    LARGEST_BODY_BYTES,
    LARGEST_FAILURE_BYTES,
    SOCKET_CONNECT_SECONDS,
    AnswerTooLargeError,
    failure_of,
    retry_after_seconds,
)
from kubemacpool.ports import (
    OutsideError,
)

# The API server gives a request at most --request-timeout (60 s by default) and then says why it gave up. Waiting a
# little longer than that lets us hear it. Whoever is in more of a hurry puts a time-out of its own around the call.
REQUEST_SECONDS = 65.0

# The API server drops idle connections after some minutes, load balancers before it sometimes after one. A connection
# that the other side is about to drop must not be picked for a write, which cannot be repeated blindly.
KEEP_ALIVE_SECONDS = 30.0


_OUTSIDE = "ApiClient is used outside its `async with`"


class ApiClient:
    """Requests to one API server. Used as an async context manager, which closes its connections.

    Every method raises the errors of `kubemacpool.ports.errors`; their text names the request and keeps the reason and
    the message that the API server gave.

    Args:
        config: which API server, and who we are to it.
        tls: gives how to trust it and how to prove who we are, asked for each request; None for a server without TLS.
        seconds: for a request and its answer, 0 for any number; None for a little more than the server takes.
    """

    def __init__(
        self, config: ClusterConfig, tls: Callable[[], ssl.SSLContext] | None, *, seconds: float | None = None
    ) -> None:
        self.server = config.server
        self._base = URL(config.server)
        self._prefix = self._base.path.rstrip("/")
        self._credentials = config.token
        self._server_name = config.server_name
        self._tls = tls
        self._headers = config.headers
        self._proxy = config.proxy or None
        self._seconds = seconds
        self._common = {
            "User-Agent": user_agent(),
            # Compressing costs both sides more than the wire between them, and unpacking holds up the event loop.
            "Accept-Encoding": "identity",
        }
        self._session: aiohttp.ClientSession | None = None
        self._dated: tuple[str, datetime] | None = None

    @property
    def clock_skew(self) -> timedelta:
        """How far the API server's clock is ahead of ours, to a second or so, as of its last answer.

        Source: the header Date (RFC 9110, section 6.6.1).
        """
        if self._dated is None:
            return timedelta()
        text, received = self._dated
        try:
            return parsedate_to_datetime(text).astimezone(UTC) - received
        except (ValueError, OverflowError):
            return timedelta()

    async def __aenter__(self) -> Self:
        seconds = REQUEST_SECONDS if self._seconds is None else self._seconds
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                limit=0,  # a watch keeps its connection; the number of those is ours to know
                keepalive_timeout=KEEP_ALIVE_SECONDS,
            ),
            headers=[*self._common.items(), *self._headers],
            timeout=aiohttp.ClientTimeout(
                total=seconds or None, connect=CONNECT_SECONDS, sock_connect=SOCKET_CONNECT_SECONDS
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
        )
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()
            await asyncio.sleep(0)  # connections that were aborted are closed in the loop's next turn

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> bytes:
        """The body of the answer to a GET."""
        return await self._request("GET", path, params=params, accept=accept)

    async def create(self, path: str, body: bytes, params: Mapping[str, str] | None = None) -> bytes:
        """POST an object to its collection; gives the object as it was stored."""
        return await self._request("POST", path, params=params, body=body, content_type=JSON)

    async def update(self, path: str, body: bytes) -> bytes:
        """PUT an object in the place of the one that is there; gives the object as it was stored."""
        return await self._request("PUT", path, body=body, content_type=JSON)

    async def patch(self, path: str, body: bytes, *, content_type: str, dry_run: bool = False) -> bytes:
        """PATCH an object, `content_type` being the kind of patch; gives the object as it was stored.

        A dry run is judged as the same patch is, and nothing is stored.
        """
        params = {"dryRun": "All"} if dry_run else None
        return await self._request("PATCH", path, params=params, body=body, content_type=content_type)

    async def delete(self, path: str) -> None:
        """DELETE an object, and in the background what it owns."""
        await self._request("DELETE", path, params={"propagationPolicy": "Background"})

    async def stream(
        self,
        path: str,
        params: Mapping[str, str],
        hear: Callable[[bytes], None],
        *,
        accept: str,
        idle_seconds: float,
        total_seconds: float,
    ) -> None:
        """A GET whose answer goes on: tells of its body in pieces as they come, until its end.

        Raises:
            StreamSilentError: nothing came for `idle_seconds`.
            ClusterUnavailableError: the connection broke, or `total_seconds` have passed.
        """
        what = f"GET {path} (stream)"
        if self._session is None:
            raise RuntimeError(_OUTSIDE)
        url = self._base.with_path(self._prefix + path).with_query(params)
        tls = self._tls() if self._tls is not None else None
        server = Server(url.host or "", url.port or 0, tls, self._server_name)
        headers = {
            "Host": url.host_port_subcomponent or "",
            **self._common,
            **dict(self._headers),
            **self._authorization(),
            "Accept": accept,
        }
        patience = Patience(idle_seconds, total_seconds)
        refusal = await read_stream(what, server, url.raw_path_qs, headers, hear, patience)
        if refusal is not None:
            self._note(refusal.status)
            retry_after = retry_after_seconds(refusal.retry_after)
            raise failure_of(what, refusal.status, refusal.body, retry_after=retry_after)

    async def _request(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        accept: str = JSON,
        body: bytes | None = None,
        content_type: str | None = None,
    ) -> bytes:
        what = f"{method} {path}"
        headers = {"Accept": accept}
        if content_type is not None:
            headers["Content-Type"] = content_type
        try:
            async with await self._send(method, path, params=params, headers=headers, body=body) as response:
                if (date := response.headers.get("Date")) is not None:
                    self._dated = (date, datetime.now(UTC))
                await self._check(what, response)
                return await _read_bounded(response, what)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise broken(what, error) from error

    async def _send(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None,
        headers: dict[str, str],
        body: bytes | None = None,
    ) -> aiohttp.ClientResponse:
        if self._session is None:
            raise RuntimeError(_OUTSIDE)
        return await self._session.request(
            method,
            self._base.with_path(self._prefix + path),
            params=params or {},
            headers=headers | self._authorization(),
            data=body,
            # Connections are kept by the context that they were made with: another one gets new connections.
            ssl=self._tls() if self._tls is not None else True,
            server_hostname=self._server_name,
            proxy=self._proxy,
            allow_redirects=False,  # a redirect would carry the token to another place
        )

    async def _check(self, what: str, response: aiohttp.ClientResponse) -> None:
        if response.ok and not 300 <= response.status < 400:  # noqa: PLR2004 - the classes of RFC 9110
            return
        self._note(response.status)
        raise await _failure(what, response)

    def _authorization(self) -> dict[str, str]:
        token = self._credentials.token()
        return {"Authorization": f"Bearer {token}"} if token else {}

    def _note(self, status: int) -> None:
        """The token was not accepted: have it read again."""
        if status == HTTPStatus.UNAUTHORIZED:
            self._credentials.rejected()


def user_agent() -> str:
    """How the API server's audit log and metrics name us: `kubemacpool/0.1.0`."""
    try:
        return f"kubemacpool/{version('kubemacpool')}"
    except PackageNotFoundError:  # run from a source tree that was never installed
        return "kubemacpool/0"


async def _read_bounded(response: aiohttp.ClientResponse, what: str) -> bytes:
    """The body. Where the rest of it is not read, releasing the response drops the connection."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LARGEST_BODY_BYTES:
            raise AnswerTooLargeError(f"{what}: the answer is larger than {LARGEST_BODY_BYTES} bytes")
    return bytes(body)


async def _failure(what: str, response: aiohttp.ClientResponse) -> OutsideError:
    """The error for an answer that is not a success."""
    body = bytearray()
    async for piece in response.content.iter_any():
        body += piece
        if len(body) > LARGEST_FAILURE_BYTES:
            break
    return failure_of(
        what,
        response.status,
        bytes(body[:LARGEST_FAILURE_BYTES]),
        retry_after=retry_after_seconds(response.headers.get("Retry-After")),
    )
