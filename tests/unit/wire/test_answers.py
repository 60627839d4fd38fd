"""Answers for people."""

import pytest

from kubemacpool.wire.review import Answer, in_words


def test_an_answer_in_words_is_a_line_of_text() -> None:
    assert in_words(404, "nothing here; überhaupt") == Answer(404, "nothing here; überhaupt\n".encode(), "text/plain")


@pytest.mark.parametrize(("status", "retry_after"), [(503, 1), (400, None), (421, None), (500, None)])
def test_only_where_nobody_can_decide_yet_is_the_api_server_asked_to_come_again(
    status: int, retry_after: int | None
) -> None:
    assert in_words(status, "not yet").retry_after == retry_after
