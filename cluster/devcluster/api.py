"""The few requests that the cluster itself makes to its API server."""

from __future__ import annotations

import http.client
import ssl
from typing import TYPE_CHECKING, TypeVar
from urllib.parse import urlsplit

import msgspec

from devcluster.errors import ApiError

if TYPE_CHECKING:
    from pathlib import Path

TIMEOUT_SECONDS = 10.0

T = TypeVar("T")


class _Status(msgspec.Struct):
    message: str = ""


class ApiServer:
    """An API server as seen by one client certificate."""

    def __init__(self, url: str, ca: Path, certificate: Path, key: Path) -> None:
        """Read the certificates; nothing is connected before the first request."""
        self.url = url
        self._context = ssl.create_default_context(cafile=str(ca))
        self._context.load_cert_chain(certificate, key)

    def ready(self) -> bool:
        """Tell whether the API server answers and says that it is ready."""
        try:
            self.request("GET", "/readyz")
        except (ApiError, OSError, http.client.HTTPException):
            return False
        return True

    def get(self, path: str, kind: type[T]) -> T:
        """Read an object."""
        return msgspec.json.decode(self.request("GET", path), type=kind)

    def find(self, path: str, kind: type[T]) -> T | None:
        """Read an object that may not be there."""
        try:
            return self.get(path, kind)
        except ApiError as error:
            if error.status != http.HTTPStatus.NOT_FOUND:
                raise
            return None

    def request(self, method: str, path: str, body: object = None) -> bytes:
        """Make one request and return the body of its answer.

        Raises:
            ApiError: the status is not 2xx.
            OSError: the API server could not be reached.
        """
        address = urlsplit(self.url)
        connection = http.client.HTTPSConnection(
            address.hostname or "", address.port, timeout=TIMEOUT_SECONDS, context=self._context
        )
        try:
            payload = None if body is None else msgspec.json.encode(body)
            connection.request(
                method, path, payload, {"Content-Type": "application/json", "Accept": "application/json"}
            )
            response = connection.getresponse()
            answer = response.read()
        finally:
            connection.close()
        if response.status >= http.HTTPStatus.BAD_REQUEST:
            raise ApiError(f"{method} {path}", response.status, _message(answer))
        return answer


def _message(answer: bytes) -> str:
    try:
        return msgspec.json.decode(answer, type=_Status).message
    except msgspec.DecodeError:
        return answer.decode(errors="replace")
