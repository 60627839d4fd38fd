"""The narrow seam between what follows the cluster and the wire, its bounds, and the errors that answers stand for.

`ApiClient` implements it on the network; the tests have one that follows a script.
"""

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Protocol

from kubemacpool.ports import (
    ClusterUnavailableError,
    ConflictError,
    NotFoundError,
    OutsideError,
    RefusedError,
    ResourceExpiredError,
)
from kubemacpool.wire.listing import read_status

# One object is at most 3 MiB as it is sent to the API server (its MaxRequestBodyBytes), and JSON makes at most six
# bytes of one (\u0000).
LARGEST_OBJECT_BYTES = 6 * 3 * 1024 * 1024

# A page must have room for one such object, and has it for 500 pods of 60 KB; eight times what they are.
LARGEST_BODY_BYTES = LARGEST_OBJECT_BYTES + 14 * 1024 * 1024

# The event around an object is some forty bytes; the rest is room for what nobody has thought of.
LONGEST_LINE_BYTES = LARGEST_OBJECT_BYTES + 64 * 1024

# A Status is some hundred bytes; the rest of a long page of some proxy explains nothing.
LARGEST_FAILURE_BYTES = 64 * 1024

# Some dozen headers.
LARGEST_HEAD_BYTES = 64 * 1024

# A connection inside a cluster is there within milliseconds, and a lost SYN is sent again after 1 s and after 3 s: 5 s
# let two of them be lost. TLS is part of `connect`, so it gets as much again.
SOCKET_CONNECT_SECONDS = 5.0
CONNECT_SECONDS = 10.0

JSON = "application/json"
JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
METADATA_OF_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"
METADATA_OF_OBJECT = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"


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


class AnswerTooLargeError(ClusterUnavailableError):
    """The answer is larger than we are ready to hold; a smaller page may be asked for."""


class StreamSilentError(ClusterUnavailableError):
    """Nothing came through a stream for longer than an API server keeps silent."""


class Transport(Protocol):
    """Reading from the API server. Every method raises the errors of `kubemacpool.ports.errors`."""

    async def get(self, path: str, params: Mapping[str, str], *, accept: str = JSON) -> bytes:
        """The whole body of the answer.

        Raises:
            AnswerTooLargeError: the body is past the client's bound.
        """
        ...

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
        """Tells `hear` of the body of the answer in pieces as they come, and returns where the server ends it.

        What `hear` raises ends it, too, and is raised.

        Raises:
            StreamSilentError: nothing came for `idle_seconds`.
        """
        ...


class WritingTransport(Transport, Protocol):
    """Reading from the API server, and writing to it."""

    async def get(self, path: str, params: Mapping[str, str] | None = None, *, accept: str = JSON) -> bytes:
        """The whole body of the answer."""
        ...

    async def create(self, path: str, body: bytes) -> bytes:
        """POST an object to its collection; the object as it was stored."""
        ...

    async def patch(self, path: str, body: bytes, *, content_type: str, dry_run: bool = False) -> bytes:
        """PATCH an object; the object as it was stored, or would have been."""
        ...
