"""What is served where: the webhook and its probes on one port, the metrics on another."""

from collections.abc import Awaitable, Callable, Mapping, Sequence

from aiohttp import web

from kubemacpool.service.admitting import Answer
from kubemacpool.web.answers import read_body, text, unavailable
from kubemacpool.web.server import Handler, Route

MUTATE_PODS = "/mutate-pods"
JSON = "application/json"


def webhook_routes(
    answer: Callable[[bytes], Awaitable[Answer]], obstacles: Callable[[], Sequence[str]]
) -> Mapping[Route, Handler]:
    """The webhook for pods, and the kubelet's probes.

    Args:
        answer: judges the body of a review.
        obstacles: what keeps this replica from being ready, a sentence each.
    """

    async def mutate_pods(request: web.BaseRequest) -> web.Response:
        if request.content_type != JSON:
            return text(415, f"Content-Type is {request.content_type}; the API server sends {JSON}")
        given = await answer(await read_body(request))
        headers = None if given.retry_after is None else {"Retry-After": str(given.retry_after)}
        return web.Response(status=given.status, body=given.body, content_type=given.content_type, headers=headers)

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
