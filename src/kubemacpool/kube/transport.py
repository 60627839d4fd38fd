"""The narrow seam between what follows the cluster and the wire: one GET that ends, and one that goes on.

`ApiClient` implements it on the network; the tests have one that follows a script.
"""

from collections.abc import Callable, Mapping
from typing import Protocol

from kubemacpool.ports import ClusterUnavailableError

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

    async def patch(self, path: str, body: bytes, *, content_type: str) -> bytes:
        """PATCH an object; the object as it was stored."""
        ...
