"""Events, as people read them below `kubectl describe`."""

import json

import pytest

from kubemacpool.wire.api_objects import (
    LONGEST_MESSAGE_BYTES,
    EventText,
    cut,
    event_namespace,
    new_warning,
    read_event_name,
    seen_again_patch,
)
from kubemacpool.wire.listing import UnexpectedAnswerError

TEXT = EventText("v1", "ConfigMap", "ns", "range", "uid-1", "InvalidRange", "RANGE_START is missing")


def test_a_warning_names_its_object_who_says_it_and_when() -> None:
    event = json.loads(new_warning(TEXT, "kubemacpool", "2026-11-24T03:00:00Z"))
    assert event["metadata"] == {"namespace": "ns", "generateName": "range."}
    assert event["involvedObject"] == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "namespace": "ns",
        "name": "range",
        "uid": "uid-1",
    }
    assert (event["type"], event["reason"], event["message"]) == ("Warning", TEXT.reason, TEXT.message)
    assert event["source"] == {"component": "kubemacpool"}
    assert event["firstTimestamp"] == event["lastTimestamp"] == "2026-11-24T03:00:00Z"
    assert event["count"] == 1


def test_a_long_name_leaves_room_for_what_the_api_server_adds() -> None:
    event = json.loads(new_warning(TEXT._replace(name="n" * 253), "kubemacpool", "now"))
    assert event["metadata"]["generateName"] == "n" * 240 + "."
    assert event["involvedObject"]["name"] == "n" * 253


def test_an_object_without_namespace_has_its_events_in_default() -> None:
    assert event_namespace("") == "default"
    assert event_namespace("ns") == "ns"


def test_what_was_seen_again_is_counted() -> None:
    assert json.loads(seen_again_patch(7, "later")) == {"count": 7, "lastTimestamp": "later"}


def test_the_name_that_the_api_server_gave_is_read() -> None:
    assert read_event_name(b'{"metadata":{"name":"range.abc","namespace":"ns"}}') == "range.abc"


@pytest.mark.parametrize(
    "body",
    [b"", b"[]", b"{}", b'{"metadata":{"name":"\xff"}}', b"[" * 100_000],
    ids=["empty", "a list", "no name", "no UTF-8", "deep"],
)
def test_what_is_no_event_says_so(body: bytes) -> None:
    with pytest.raises(UnexpectedAnswerError, match=r"^not an Event \("):
        read_event_name(body)


@pytest.mark.parametrize(
    ("text", "longest", "expected"),
    [
        ("short", 5, "short"),
        ("longer", 5, "lo…"),
        ("äöü", 6, "äöü"),
        ("äöüß", 6, "ä…"),  # no character is cut in two
        ("\ud800", 10, "?"),
    ],
)
def test_a_text_is_cut_between_characters_and_shows_it(text: str, longest: int, expected: str) -> None:
    assert cut(text, longest) == expected


def test_a_message_is_cut_where_the_api_server_would_refuse_it() -> None:
    event = json.loads(new_warning(TEXT._replace(message="x" * 2000), "kubemacpool", "now"))
    assert len(event["message"].encode()) == LONGEST_MESSAGE_BYTES
