from typing import NamedTuple

import pytest

from kubemacpool.server.messages import Request, Response
from kubemacpool.server.peers import FORWARDED
from kubemacpool.server.routes import metrics_routes, webhook_routes
from kubemacpool.wire.review import Answer

TEXT = "text/plain; charset=utf-8"


class Webhook:
    """Answers what it was told to, and keeps what it was asked."""

    def __init__(self, answer: Answer) -> None:
        self.given = answer
        self.asked: list[tuple[bytes, float | None, bool]] = []

    async def answer(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """The answer."""
        self.asked.append((body, patience, forwarded))
        return self.given


class Reply(NamedTuple):
    """What matters of a response."""

    status: int
    body: object
    content_type: str
    retry_after: str | None


def _reply(response: Response) -> Reply:
    return Reply(response.status, response.body, response.headers["Content-Type"], response.headers.get("Retry-After"))


def _review(body: bytes, query: str = "", **headers: str) -> Request:
    given = {"Content-Type": "application/json", **headers}
    sent = {name.lower().encode(): value.encode() for name, value in given.items()}
    request = Request("POST", f"/mutate-pods{query}", sent)
    request.pieces.append(body)
    request.complete = True
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
    routes = webhook_routes({"/mutate-pods": webhook.answer}, tuple)
    assert _reply(await routes["POST", "/mutate-pods"](_review(b'{"a":1}'))) == expected
    assert webhook.asked == [(b'{"a":1}', None, False)]


@pytest.mark.parametrize(
    ("query", "patience"), [("?timeout=10s", 10.0), ("?timeout=1m30s", 90.0), ("", None), ("?timeout=soon", None)]
)
async def test_the_patience_of_the_api_server_is_told_as_far_as_it_can_be_read(
    query: str, patience: float | None
) -> None:
    webhook = Webhook(Answer(200, b"{}"))
    await webhook_routes({"/mutate-pods": webhook.answer}, tuple)["POST", "/mutate-pods"](_review(b"{}", query))
    assert webhook.asked == [(b"{}", patience, False)]


@pytest.mark.parametrize("elsewhere", [True, False])
async def test_whoever_is_to_ask_elsewhere_does_not_keep_the_connection(*, elsewhere: bool) -> None:
    webhook = Webhook(Answer(503, b"wait\n", "text/plain", 1, elsewhere=elsewhere))
    response = await webhook_routes({"/mutate-pods": webhook.answer}, tuple)["POST", "/mutate-pods"](_review(b"{}"))
    assert response.close == elsewhere


async def test_a_review_from_another_replica_is_told_as_such() -> None:
    webhook = Webhook(Answer(200, b"{}"))
    await webhook_routes({"/mutate-pods": webhook.answer}, tuple)["POST", "/mutate-pods"](
        _review(b"{}", **{FORWARDED: "1"})
    )
    assert webhook.asked == [(b"{}", None, True)]


async def test_readiness_names_every_obstacle_and_liveness_none() -> None:
    obstacles = ["no range", "no pods"]
    routes = webhook_routes({"/mutate-pods": Webhook(Answer(200, b"")).answer}, lambda: obstacles)
    request = Request("GET", "/readyz", {})
    assert _reply(await routes["GET", "/readyz"](request)) == Reply(
        503, b"no range\nno pods\n", "text/plain; charset=utf-8", "1"
    )
    assert _reply(await routes["GET", "/healthz"](request)) == Reply(200, b"ok\n", TEXT, None)
    obstacles.clear()
    assert _reply(await routes["GET", "/readyz"](request)) == Reply(200, b"ok\n", TEXT, None)


async def test_the_figures_are_served_in_the_format_that_they_say() -> None:
    exposition = (b"kubemacpool_range_valid 0.0\n", "text/plain; version=1.0.0; charset=utf-8")
    response = await metrics_routes(lambda: exposition)["GET", "/metrics"](Request("GET", "/metrics", {}))
    assert (response.status, response.body, response.headers["Content-Type"]) == (200, *exposition)
