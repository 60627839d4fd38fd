"""The bounds as shipped, against what the API server does on the other side."""

from kubemacpool.server import limits

API_SERVER_KEEPS_IDLE = 90
API_SERVER_WAITS = 10
API_SERVER_REQUESTS = 600
LARGEST_OBJECT = 3 * 1024 * 1024


def test_the_api_server_is_the_one_that_closes_idle_connections() -> None:
    assert limits.KEEP_ALIVE_SECONDS >= 120 > API_SERVER_KEEPS_IDLE


def test_two_objects_of_the_greatest_size_fit_into_a_review() -> None:
    assert limits.MAX_BODY > 2 * LARGEST_OBJECT


def test_nobody_is_waited_for_longer_than_the_api_server_waits_for_us() -> None:
    for seconds in (
        limits.FIRST_REQUEST_SECONDS,
        limits.BODY_SECONDS,
        limits.HANDSHAKE_SECONDS,
        limits.LINGER_SECONDS,
        limits.UNREAD_SECONDS,
        limits.CLOSE_SECONDS,
    ):
        assert 0 < seconds <= API_SERVER_WAITS


def test_a_source_may_have_as_many_connections_as_an_api_server_needs() -> None:
    assert limits.MAX_CONNECTIONS // limits.SOURCE_DIVISOR > API_SERVER_REQUESTS


def test_what_an_api_server_opens_at_once_finds_room_in_the_backlog() -> None:
    assert limits.BACKLOG > API_SERVER_REQUESTS
