import pytest

from kubemacpool.server.messages import text, unavailable


def test_words_end_with_a_line_and_say_their_encoding() -> None:
    response = text(404, "größe", {"Allow": "GET"})
    assert (response.status, response.body) == (404, "größe\n".encode())
    assert response.headers["Content-Type"] == "text/plain; charset=utf-8"
    assert response.headers["Allow"] == "GET"


@pytest.mark.parametrize(("message", "body"), [("/\udcff", b"/\\udcff\n"), ("", b"\n")])
def test_what_cannot_be_written_in_utf_8_is_escaped(message: str, body: bytes) -> None:
    assert text(404, message).body == body


def test_not_now_says_when_to_ask_again() -> None:
    response = unavailable("not yet")
    assert (response.status, response.body, response.headers["Retry-After"]) == (503, b"not yet\n", "1")
