"""What the API server sends to whoever lists and watches: pages of a list, watch events, and the Status of a failure.

Objects are handed on as the bytes they came in: what they mean is for the decoder of their kind. The readers here
survive any object that the API server can store, so that one strange object costs nobody the view of the others.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import NamedTuple

import msgspec

from kubemacpool.wire.objects import ObjectIdentity, read_resource_version
from kubemacpool.wire.shallow import elements, members


class UnexpectedAnswerError(Exception):
    """The answer is not what the API server sends in this place; a proxy's error page, for example."""


@contextmanager
def expecting(what: str) -> Iterator[None]:
    """Read something of the body of an answer.

    Args:
        what: it should be, with its article.

    Raises:
        UnexpectedAnswerError: for whatever a decoder raises of a body that is something else.
    """
    try:
        yield
    except (msgspec.MsgspecError, UnicodeError, RecursionError) as error:
        raise UnexpectedAnswerError(f"not {what} ({error})") from error


class ListPage(NamedTuple):
    """One page of a list; `continue_token` is empty on the last one."""

    resource_version: int
    continue_token: str
    items: list[bytes]


class WatchEvent(NamedTuple):
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK or ERROR, and the object as it was written."""

    type: str
    object: bytes


class Status(NamedTuple):
    """Why the API server said no. Empty and zero where it did not say."""

    code: int
    reason: str
    message: str
    retry_after_seconds: int


class ObjectHead(NamedTuple):
    """What any object tells, whatever its kind; `resource_version` is None where it cannot be read."""

    identity: ObjectIdentity
    resource_version: int | None


class _ListMeta(msgspec.Struct):
    resource_version: str = msgspec.field(default="", name="resourceVersion")
    continue_token: str = msgspec.field(default="", name="continue")


class _List(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Event(msgspec.Struct):
    type: str
    object: msgspec.Raw


class _StatusDetails(msgspec.Struct):
    retry_after_seconds: int = msgspec.field(default=0, name="retryAfterSeconds")


class _Status(msgspec.Struct):
    code: int = 0
    reason: str = ""
    message: str = ""
    details: _StatusDetails | None = None


class _ObjectMeta(msgspec.Struct):
    namespace: str = ""
    name: str = ""
    uid: str = ""
    resource_version: str = msgspec.field(default="", name="resourceVersion")


class _Object(msgspec.Struct):
    metadata: _ObjectMeta


_PRESENT = (b'{"type":"MODIFIED","object":', b'{"type":"ADDED","object":')

_read_list = msgspec.json.Decoder(_List).decode
_read_event = msgspec.json.Decoder(_Event).decode
_read_status = msgspec.json.Decoder(_Status).decode
_read_object = msgspec.json.Decoder(_Object).decode


def read_page(body: bytes) -> ListPage:
    """One page of a list.

    Raises:
        UnexpectedAnswerError: the body is not a list.
    """
    try:
        page = _read_list(body)
        return _page(page.metadata, page.items or [])
    except RecursionError:
        return _page(*_read_deep_page(body))
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UnexpectedAnswerError(f"not a list: {error}") from error


def read_event(line: bytes) -> WatchEvent:
    """One line of a watch.

    Raises:
        UnexpectedAnswerError: the line is not a watch event.
    """
    try:
        event = _read_event(line)
        return WatchEvent(event.type, bytes(event.object))
    except RecursionError:
        return _read_deep_event(line)
    except (msgspec.MsgspecError, UnicodeError) as error:
        raise UnexpectedAnswerError(f"not a watch event: {error}") from error


def cut_present(line: bytes) -> bytes | None:
    """An object that is there, cut from an event that looks as the API server writes it; None for any other line.

    Nothing is read twice that way. Whether the object is whole is for its decoder to find out: where that fails, the
    line is to be read by `read_event`.
    """
    for prefix in _PRESENT:
        if line.startswith(prefix) and line.endswith(b"}"):
            return line[len(prefix) : -1]
    return None


def read_status(body: bytes) -> Status:
    """The Status in the body of a failure; all empty where the body holds none."""
    try:
        status = _read_status(body)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return Status(0, "", "", 0)
    seconds = status.details.retry_after_seconds if status.details is not None else 0
    return Status(status.code, status.reason, status.message, seconds)


def read_head(raw: bytes) -> ObjectHead:
    """Identity and resourceVersion of any object, as far as they can be read. Never fails."""
    try:
        meta = _read_object(raw).metadata
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        meta = _recover_meta(raw)
    identity = ObjectIdentity(meta.namespace, meta.name, meta.uid)
    return ObjectHead(identity, read_resource_version(meta.resource_version))


def _page(meta: _ListMeta, items: Sequence[bytes]) -> ListPage:
    version = read_resource_version(meta.resource_version)
    if version is None:
        raise UnexpectedAnswerError(f"a list whose resourceVersion is {meta.resource_version[:40]!r}, not a number")
    return ListPage(version, meta.continue_token, [bytes(item) for item in items])


def _read_deep_page(body: bytes) -> tuple[_ListMeta, list[bytes]]:
    try:
        parts = members(body)
        return msgspec.json.decode(parts["metadata"], type=_ListMeta), elements(parts["items"])
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise UnexpectedAnswerError(f"not a list: {error}") from error


def _read_deep_event(line: bytes) -> WatchEvent:
    try:
        parts = members(line)
        return WatchEvent(msgspec.json.decode(parts["type"], type=str), parts["object"])
    except (KeyError, ValueError, msgspec.MsgspecError) as error:
        raise UnexpectedAnswerError(f"not a watch event: {error}") from error


def _recover_meta(raw: bytes) -> _ObjectMeta:
    """Each field by itself, so that one of an unexpected type does not hide the others."""
    try:
        meta = members(members(raw)["metadata"])
    except (KeyError, ValueError):
        return _ObjectMeta()

    def text(name: str) -> str:
        try:
            return msgspec.json.decode(meta[name], type=str)
        except (KeyError, UnicodeError, msgspec.MsgspecError):
            return ""

    return _ObjectMeta(text("namespace"), text("name"), text("uid"), text("resourceVersion"))
