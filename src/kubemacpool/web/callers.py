"""Who asks: reviews are answered where the caller's certificate allows it, and everything else for everybody."""

import ssl
from collections.abc import Callable, Mapping
from typing import Protocol, cast

import structlog
from aiohttp import web

from kubemacpool.web.answers import text
from kubemacpool.web.peer import FORWARDED
from kubemacpool.web.server import Handler, Route

_log = structlog.get_logger(__name__)


class Judging(Protocol):
    """Judges callers."""

    def __call__(self, certificate: bytes | None, *, forwarded: bool) -> str:
        """Why the caller may not ask; empty where he may.

        Args:
            certificate: which he has proven to be his in the handshake, DER; None where he has shown none.
            forwarded: whether he says that he is a replica.
        """
        ...


def guarded(
    routes: Mapping[Route, Handler], judge: Judging, current: Callable[[], ssl.SSLContext]
) -> Mapping[Route, Handler]:
    """The same routes; what is sent to them (POST) is refused unread where the caller may not ask.

    Args:
        routes: by method and path.
        judge: of certificates that a handshake has let through.
        current: by which handshakes go now. A connection that was made by another one is closed with the answer:
            whoever asks again proves himself anew.
    """
    return {
        (method, path): _guarded(handler, judge, current) if method == "POST" else handler
        for (method, path), handler in routes.items()
    }


def _guarded(handler: Handler, judge: Judging, current: Callable[[], ssl.SSLContext]) -> Handler:
    async def answer(request: web.BaseRequest) -> web.Response:
        connection = _connection(request)
        certificate = connection.getpeercert(binary_form=True)
        refusal = judge(certificate, forwarded=FORWARDED in request.headers)
        if not refusal:
            response = await handler(request)
            if connection.context is not current():
                response.force_close()
            return response
        _log.warning("a caller was refused", client=request.remote, reason=refusal)
        response = text(403, f"kubemacpool: {refusal}")
        response.force_close()
        return response

    return answer


def _connection(request: web.BaseRequest) -> ssl.SSLObject:
    """The TLS side of the connection.

    Raises:
        ConnectionError: it is closed already.
    """
    if request.transport is None:
        raise ConnectionError("the client is gone")
    return cast("ssl.SSLObject", request.transport.get_extra_info("ssl_object"))
