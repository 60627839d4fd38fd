"""The readers of `kubemacpool.wire.listing` and `kubemacpool.wire.shallow`."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kubemacpool.wire.listing import (
    ObjectHead,
    Status,
    UnexpectedAnswerError,
    read_event,
    read_head,
    read_page,
    read_resource_version,
    read_status,
)
from kubemacpool.wire.objects import ObjectIdentity
from kubemacpool.wire.shallow import elements, members

DEEP = b'{"a":' * 3000 + b"1" + b"}" * 3000
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(), JSON_VALUES), st.sampled_from([None, 2]))
def test_members_are_what_a_json_parser_finds(document: dict[str, object], indent: int | None) -> None:
    text = json.dumps(document, ensure_ascii=indent is None, indent=indent).encode()
    assert {name: json.loads(value) for name, value in members(text).items()} == document


@given(st.lists(JSON_VALUES), st.sampled_from([None, 2]))
def test_elements_are_what_a_json_parser_finds(document: list[object], indent: int | None) -> None:
    assert [json.loads(value) for value in elements(json.dumps(document, indent=indent).encode())] == document


@pytest.mark.parametrize("document", [b"", b"[]", b'"{"', b'{"a":1', b"{1}", b'{"a"}', b'{"\\x":1}'])
def test_what_is_no_object_has_no_members(document: bytes) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is for nobody
        members(document)


def test_a_page_without_items_is_an_empty_one() -> None:
    page = read_page(b'{"metadata":{"resourceVersion":"5"},"items":null}')
    assert page == (5, "", [])


def test_a_page_that_holds_an_object_nested_too_deeply_is_read_whole() -> None:
    """Custom resources are listed with the metadata at the end."""
    page = read_page(b'{"items":[%s, {"b":2}],"metadata":{"continue":"c","resourceVersion":"5"}}' % DEEP)
    assert page == (5, "c", [DEEP, b'{"b":2}'])


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        DEEP,
        b'{"metadata":{"resourceVersion":"0x5"},"items":[]}',
        b'{"metadata":{"resourceVersion":"\xff"},"items":[]}',
    ],
    ids=["empty", "null", "a list", "deep", "no number", "no UTF-8"],
)
def test_what_is_no_page_says_so(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="list"):
        read_page(body)


def test_an_event_is_its_type_and_its_object_as_it_came() -> None:
    assert read_event(b'{"object": {"a": [1, 2]}, "type": "DELETED"}') == ("DELETED", b'{"a": [1, 2]}')


def test_an_event_with_an_object_nested_too_deeply_keeps_its_type() -> None:
    assert read_event(b'{"type":"ADDED","object":%s}' % DEEP) == ("ADDED", DEEP)


@pytest.mark.parametrize("line", [b"", b"{}", b'{"type":"ADDED"}', b'{"type":"\xff","object":{}}', DEEP])
def test_what_is_no_event_says_so(line: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match="watch event"):
        read_event(line)


def test_the_head_of_an_object_is_read_past_fields_of_unexpected_types() -> None:
    raw = b'{"metadata":{"name":"n","namespace":7,"uid":"u","resourceVersion":"9","labels":[]},"spec":0}'
    assert read_head(raw) == ObjectHead(ObjectIdentity("", "n", "u"), 9)


def test_the_head_of_an_object_is_read_past_texts_that_are_no_utf8() -> None:
    raw = b'{"metadata":{"name":"\xff","namespace":"ns","uid":"u","resourceVersion":"9"}}'
    assert read_head(raw) == ObjectHead(ObjectIdentity("ns", "", "u"), 9)


@pytest.mark.parametrize("raw", [b"", b"null", b"[]", b'{"metadata":null}', b'{"metadata":'])
def test_the_head_of_anything_else_is_empty(raw: bytes) -> None:
    assert read_head(raw) == ObjectHead(ObjectIdentity("", "", ""), None)


@pytest.mark.parametrize(
    ("text", "number"),
    [("12", 12), (str(2**64 - 1), 2**64 - 1), ("", None), ("-1", None), ("1.5", None), ("²", None), ("1" * 5000, None)],
)
def test_a_resource_version_is_a_number_or_nothing(text: str, number: int | None) -> None:
    assert read_resource_version(text) == number


def test_a_status_tells_why_and_for_how_long() -> None:
    body = b'{"code":429,"reason":"TooManyRequests","message":"later","details":{"retryAfterSeconds":3}}'
    assert read_status(body) == Status(429, "TooManyRequests", "later", 3)


@pytest.mark.parametrize("body", [b"", b"<html>", b"[]", b'{"reason":"\xff"}', DEEP])
def test_a_body_without_a_status_tells_nothing(body: bytes) -> None:
    assert read_status(body) == Status(0, "", "", 0)
