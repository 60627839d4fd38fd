"""The two things asked of etcd directly, through its JSON gateway."""

from __future__ import annotations

import http.client

import msgspec

from devcluster.errors import ApiError
from devcluster.loopback import HOST

TIMEOUT_SECONDS = 10.0


class _Header(msgspec.Struct):
    revision: str


class _RangeAnswer(msgspec.Struct):
    header: _Header


def etcd_healthy(port: int) -> bool:
    """Tell whether etcd answers and has a leader."""
    try:
        _call(port, "GET", "/health", None)
    except (ApiError, OSError, http.client.HTTPException):
        return False
    return True


def compact(port: int) -> int:
    """Compact up to the current revision, and return it."""
    answer = _call(port, "POST", "/v3/kv/range", {"key": "AA==", "limit": "1"})
    revision = msgspec.json.decode(answer, type=_RangeAnswer).header.revision
    _call(port, "POST", "/v3/kv/compaction", {"revision": revision, "physical": True})
    return int(revision)


def _call(port: int, method: str, path: str, body: object) -> bytes:
    connection = http.client.HTTPConnection(HOST, port, timeout=TIMEOUT_SECONDS)
    try:
        connection.request(method, path, None if body is None else msgspec.json.encode(body))
        response = connection.getresponse()
        answer = response.read()
    finally:
        connection.close()
    if response.status != http.HTTPStatus.OK:
        request = f"{method} http://{HOST}:{port}{path}"
        raise ApiError(request, response.status, answer.decode(errors="replace"))
    return answer
