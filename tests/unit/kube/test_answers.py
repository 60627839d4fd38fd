import pytest

from kubemacpool.kube.transport import failure_of, retry_after_seconds
from kubemacpool.ports import (
    ClusterUnavailableError,
    ConflictError,
    NotFoundError,
    OutsideError,
    RefusedError,
    ResourceExpiredError,
)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (301, RefusedError),
        (400, RefusedError),
        (401, RefusedError),
        (403, RefusedError),
        (404, NotFoundError),
        (408, ClusterUnavailableError),
        (409, ConflictError),
        (410, ResourceExpiredError),
        (422, RefusedError),
        (429, ClusterUnavailableError),
        (500, ClusterUnavailableError),
        (503, ClusterUnavailableError),
        (504, ClusterUnavailableError),
        (599, ClusterUnavailableError),
    ],
)
def test_an_answer_is_sorted_by_what_the_caller_does_next(code: int, kind: type[OutsideError]) -> None:
    assert type(failure_of("GET /x", code, b"")) is kind


def test_the_text_keeps_the_reason_and_the_message_of_the_api_server() -> None:
    error = failure_of("GET /x", 403, b'{"code":403,"reason":"Forbidden","message":"pods is forbidden"}')
    assert str(error) == "GET /x: 403 Forbidden: pods is forbidden"


def test_a_failure_without_a_status_is_named_by_its_code() -> None:
    assert str(failure_of("GET /x", 502, b"<html>")) == "GET /x: 502 Bad Gateway"


def test_the_status_of_an_error_event_carries_the_code() -> None:
    assert isinstance(failure_of("watch", 0, b'{"code":410}'), ResourceExpiredError)
    assert isinstance(failure_of("watch", 0, b"{}"), ClusterUnavailableError)


def test_how_long_to_leave_it_alone_is_taken_from_the_header_or_else_from_the_status() -> None:
    body = b'{"code":429,"details":{"retryAfterSeconds":3}}'
    from_header = failure_of("GET /x", 429, body, retry_after=5)
    from_status = failure_of("GET /x", 429, body)
    assert isinstance(from_header, ClusterUnavailableError)
    assert isinstance(from_status, ClusterUnavailableError)
    assert (from_header.retry_after, from_status.retry_after) == (5, 3)


@pytest.mark.parametrize(("header", "seconds"), [("7", 7.0), (None, None), ("Wed, 21 Oct 2015 07:28:00 GMT", None)])
def test_only_whole_seconds_are_read_from_the_header(header: str | None, seconds: float | None) -> None:
    assert retry_after_seconds(header) == seconds
