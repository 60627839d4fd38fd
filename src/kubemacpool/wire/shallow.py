"""JSON taken apart one level at a time, however deeply it is nested.

The decoder recurses and gives up at about a thousand levels; the API server accepts ten thousand. One such object must
not make a whole page of a list unreadable, so that page is cut here, by a scan that keeps count of the brackets and
never recurses. Slow beside the decoder (about 10 MB/s): for what the decoder has refused.
"""

import re
from collections.abc import Iterator

import msgspec

# A string, or one of the characters that make structure. Everything between them (numbers, literals, blanks) passes
# unseen. A string without an end goes on to the end of all: nothing in it is read again.
_TOKEN = re.compile(rb'"(?:[^"\\]|\\.)*+(?:"|\\?\Z)|[][{},:]', re.DOTALL)
_OPENING = (b"{", b"[")
_CLOSING = (b"}", b"]")


def members(document: bytes) -> dict[str, bytes]:
    """The members of a JSON object, their values as they were written.

    Raises:
        ValueError: the document is not an object.
    """
    found: dict[str, bytes] = {}
    for part in _parts(document, b"{"):
        key = _TOKEN.match(part)
        if key is None or not part[key.end() :].lstrip().startswith(b":"):
            raise ValueError("a member without a name")
        try:
            name = msgspec.json.decode(key.group(), type=str)
        except msgspec.MsgspecError as error:
            raise ValueError(f"a member whose name cannot be read: {error}") from error
        found[name] = part[key.end() :].lstrip()[1:].strip()
    return found


def elements(document: bytes) -> list[bytes]:
    """The elements of a JSON array as they were written.

    Raises:
        ValueError: the document is not an array.
    """
    return list(_parts(document, b"["))


def _parts(document: bytes, opening: bytes) -> Iterator[bytes]:
    """What stands between the commas of the outermost level."""
    document = document.strip()
    if not document.startswith(opening):
        raise ValueError(f"not a JSON value that begins with {opening.decode()}")
    depth = 0
    begin = 1
    for token in _TOKEN.finditer(document):
        sign = token.group()
        if sign in _OPENING:
            depth += 1
        elif sign in _CLOSING:
            depth -= 1
            if depth == 0:
                last = document[begin : token.start()].strip()
                if last:
                    yield last
                return
        elif sign == b"," and depth == 1:
            yield document[begin : token.start()].strip()
            begin = token.end()
    raise ValueError("the JSON value has no end")
