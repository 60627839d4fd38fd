"""Answers in words, and the reading of a request's body within its bounds."""

import asyncio
from collections.abc import Mapping

from aiohttp import hdrs, web

from kubemacpool.web import limits


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response in words; what of them cannot be written in UTF-8 (bytes that a client made up) is escaped."""
    body = message.encode("utf-8", "backslashreplace") + b"\n"
    return web.Response(status=status, body=body, content_type="text/plain", charset="utf-8", headers=headers)


def unavailable(message: str) -> web.Response:
    """Not now; the client may ask again in a second."""
    return text(503, message, {hdrs.RETRY_AFTER: "1"})


async def read_body(request: web.BaseRequest) -> bytes:
    """The request's body, within the bounds of size and time.

    Raises:
        web.HTTPBadRequest: for a transfer coding other than chunked.
        web.HTTPUnsupportedMediaType: for a compressed one, of which nobody can tell how large it is.
        web.HTTPExpectationFailed: when the client waits for a 100 (Continue); it sends the body without asking then.
        web.HTTPRequestEntityTooLarge: past `limits.MAX_BODY`.
        web.HTTPRequestTimeout: past `limits.BODY_SECONDS`.
    """
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
    try:
        async with asyncio.timeout(limits.BODY_SECONDS):
            return await request.read()
    except TimeoutError:
        raise web.HTTPRequestTimeout(text=f"the body did not arrive within {limits.BODY_SECONDS:g} s") from None
