"""Answers in words."""

from collections.abc import Mapping

from aiohttp import hdrs, web


def text(status: int, message: str, headers: Mapping[str, str] | None = None) -> web.Response:
    """A response in words; what of them cannot be written in UTF-8 (bytes that a client made up) is escaped."""
    body = message.encode("utf-8", "backslashreplace") + b"\n"
    return web.Response(status=status, body=body, content_type="text/plain", charset="utf-8", headers=headers)


def unavailable(message: str) -> web.Response:
    """Not now; the client may ask again in a second."""
    return text(503, message, {hdrs.RETRY_AFTER: "1"})
