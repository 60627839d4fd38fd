"""What is served where: the webhook and its probes on one port, the metrics on another."""

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from aiohttp import web

from kubemacpool.web.answers import read_body, text, unavailable
from kubemacpool.web.peer import FORWARDED
from kubemacpool.web.server import Handler, Route
from kubemacpool.wire.answers import Answer
from kubemacpool.wire.durations import DurationError, parse_duration

MUTATE_PODS = "/mutate-pods"
JSON = "application/json"


class Reviewing(Protocol):
    """Answers reviews."""

    async def __call__(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """The answer to one.

        Args:
            body: the review.
            patience: seconds after which the API server gives up, None where it did not say.
            forwarded: whether another replica sent it.
        """
        ...


def webhook_routes(answer: Reviewing, obstacles: Callable[[], Sequence[str]]) -> Mapping[Route, Handler]:
    """The webhook for pods, and the kubelet's probes.

    Args:
        answer: judges the body of a review.
        obstacles: what keeps this replica from being ready, a sentence each.
    """

    async def mutate_pods(request: web.BaseRequest) -> web.Response:
        if request.content_type != JSON:
            return text(415, f"Content-Type is {request.content_type}; the API server sends {JSON}")
        body = await read_body(request)
        given = await answer(body, _patience(request), forwarded=FORWARDED in request.headers)
        headers = None if given.retry_after is None else {"Retry-After": str(given.retry_after)}
        response = web.Response(status=given.status, body=given.body, content_type=given.content_type, headers=headers)
        if given.elsewhere:
            response.force_close()
        return response

    async def alive(_: web.BaseRequest) -> web.Response:
        return text(200, "ok")

    async def ready(_: web.BaseRequest) -> web.Response:
        found = obstacles()
        return unavailable("\n".join(found)) if found else text(200, "ok")

    return {("POST", MUTATE_PODS): mutate_pods, ("GET", "/healthz"): alive, ("GET", "/readyz"): ready}


def metrics_routes(exposition: Callable[[], tuple[bytes, str]]) -> Mapping[Route, Handler]:
    """The figures, for Prometheus; `exposition` gives the body and its Content-Type."""

    async def metrics(_: web.BaseRequest) -> web.Response:
        body, content_type = exposition()
        return web.Response(body=body, headers={"Content-Type": content_type})

    return {("GET", "/metrics"): metrics}


def _patience(request: web.BaseRequest) -> float | None:
    """The webhook's time-out as the API server tells it, in the query (`?timeout=10s`)."""
    try:
        return parse_duration(request.query.get("timeout", ""))
    except DurationError:
        return None
