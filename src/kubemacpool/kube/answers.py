"""Which error an answer of the API server is. The one place where status codes are told apart."""

from http import HTTPStatus

from kubemacpool.ports.errors import (
    ClusterUnavailableError,
    ConflictError,
    NotFoundError,
    OutsideError,
    RefusedError,
    ResourceExpiredError,
)
from kubemacpool.wire.listing import read_status

_SERVER_FAILURES = 500
_BY_CODE: dict[int, type[OutsideError]] = {
    HTTPStatus.NOT_FOUND: NotFoundError,
    HTTPStatus.CONFLICT: ConflictError,
    HTTPStatus.GONE: ResourceExpiredError,
    HTTPStatus.REQUEST_TIMEOUT: ClusterUnavailableError,
    HTTPStatus.TOO_MANY_REQUESTS: ClusterUnavailableError,
}


def failure_of(what: str, code: int, body: bytes, *, retry_after: float | None = None) -> OutsideError:
    """The error for an answer with this status code and body; `what` names the request.

    Also for the ERROR event of a watch, whose Status carries the code: then `code` is 0.
    """
    status = read_status(body)
    code = code or status.code
    name = status.reason or _name_of(code)
    text = f"{what}: {code} {name}".rstrip()
    if status.message:
        text = f"{text}: {status.message}"
    kind = _BY_CODE.get(code)
    if kind is ClusterUnavailableError or (kind is None and (code >= _SERVER_FAILURES or code == 0)):
        if retry_after is None and status.retry_after_seconds > 0:
            retry_after = float(status.retry_after_seconds)
        return ClusterUnavailableError(text, retry_after=retry_after)
    return (kind or RefusedError)(text)


def retry_after_seconds(header: str | None) -> float | None:
    """The Retry-After header, which the API server gives in whole seconds; None for anything else."""
    return float(header) if header is not None and header.isascii() and header.isdecimal() else None


def _name_of(code: int) -> str:
    try:
        return HTTPStatus(code).phrase
    except ValueError:
        return ""
