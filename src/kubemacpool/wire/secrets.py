"""Secrets as the API server has them, as far as we read and write them. Pure."""

import base64
import binascii
from collections.abc import Mapping

import msgspec

from kubemacpool.wire.listing import UnexpectedAnswerError


class _Meta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Secret(msgspec.Struct):
    metadata: _Meta
    data: dict[str, str] | None = None


_read = msgspec.json.Decoder(_Secret).decode


def read_secret(body: bytes) -> tuple[dict[str, bytes], str]:
    """The content by key, decoded, and the resourceVersion.

    Raises:
        UnexpectedAnswerError: the body is not a Secret. Nothing of the body is in the error's text.
    """
    try:
        secret = _read(body)
        data = {key: base64.b64decode(value) for key, value in (secret.data or {}).items()}
    except (msgspec.MsgspecError, UnicodeError, RecursionError, binascii.Error) as error:
        raise UnexpectedAnswerError(f"not a Secret ({type(error).__name__})") from None
    return data, secret.metadata.resource_version


def new_tls_secret(namespace: str, name: str, data: Mapping[str, bytes]) -> bytes:
    """A Secret of type kubernetes.io/tls to be created."""
    return msgspec.json.encode(
        {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"namespace": namespace, "name": name},
            "type": "kubernetes.io/tls",
            "data": _encoded(data),
        }
    )


def secret_merge_patch(data: Mapping[str, bytes], resource_version: str) -> bytes:
    """A merge patch that sets these keys and holds only for this resourceVersion."""
    return msgspec.json.encode({"metadata": {"resourceVersion": resource_version}, "data": _encoded(data)})


def _encoded(data: Mapping[str, bytes]) -> dict[str, str]:
    return {key: base64.b64encode(value).decode("ascii") for key, value in data.items()}
