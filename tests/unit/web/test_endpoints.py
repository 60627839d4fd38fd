from typing import NamedTuple

import pytest
from aiohttp import web
from aiohttp.test_utils import make_mocked_request

from kubemacpool.service.admitting import Answer
from kubemacpool.web.endpoints import metrics_routes, webhook_routes


class Webhook:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.given = answer
        self.asked: list[bytes] = []

    async def answer(self, body: bytes) -> Answer:
        """The answer."""
        self.asked.append(body)
        return self.given


class Reply(NamedTuple):
    """What matters of a response."""

    status: int
    body: object
    content_type: str
    retry_after: str | None


def _reply(response: web.Response) -> Reply:
    return Reply(response.status, response.body, response.content_type, response.headers.get("Retry-After"))


def _review(body: bytes) -> web.Request:
    request = make_mocked_request("POST", "/mutate-pods", headers={"Content-Type": "application/json"})
    request._read_bytes = body
    return request


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (Answer(200, b"{}"), Reply(200, b"{}", "application/json", None)),
        (Answer(400, b"no\n", "text/plain"), Reply(400, b"no\n", "text/plain", None)),
        (Answer(503, b"wait\n", "text/plain", 1), Reply(503, b"wait\n", "text/plain", "1")),
    ],
)
async def test_the_answer_to_a_review_goes_out_as_it_was_given(answer: Answer, expected: Reply) -> None:
    webhook = Webhook(answer)
    routes = webhook_routes(webhook.answer, tuple)
    assert _reply(await routes["POST", "/mutate-pods"](_review(b'{"a":1}'))) == expected
    assert webhook.asked == [b'{"a":1}']


async def test_readiness_names_every_obstacle_and_liveness_none() -> None:
    obstacles = ["no range", "no pods"]
    routes = webhook_routes(Webhook(Answer(200, b"")).answer, lambda: obstacles)
    request = make_mocked_request("GET", "/readyz")
    assert _reply(await routes["GET", "/readyz"](request)) == Reply(503, b"no range\nno pods\n", "text/plain", "1")
    assert _reply(await routes["GET", "/healthz"](request)) == Reply(200, b"ok\n", "text/plain", None)
    obstacles.clear()
    assert _reply(await routes["GET", "/readyz"](request)) == Reply(200, b"ok\n", "text/plain", None)


async def test_the_figures_are_served_in_the_format_that_they_say() -> None:
    exposition = (b"kubemacpool_range_valid 0.0\n", "text/plain; version=1.0.0; charset=utf-8")
    response = await metrics_routes(lambda: exposition)["GET", "/metrics"](make_mocked_request("GET", "/metrics"))
    assert (response.status, response.body, response.headers["Content-Type"]) == (200, *exposition)
