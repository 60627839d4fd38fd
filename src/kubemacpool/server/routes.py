"""What is served where: the webhook and its probes on one port, the metrics on another, the probes alone on a third."""

import ssl
from collections.abc import Callable, Collection, Mapping, Sequence
from functools import lru_cache
from typing import Final, Protocol
from urllib.parse import parse_qs

import structlog

from kubemacpool.server.bodies import Bodies, NoRoomError
from kubemacpool.server.connections import Handler
from kubemacpool.server.https import Route
from kubemacpool.server.messages import JSON, Request, Response, text, unavailable
from kubemacpool.server.peers import FORWARDED
from kubemacpool.wire.review import Answer, DurationError, parse_duration

_FORWARDED: Final = FORWARDED.lower().encode()

_log = structlog.get_logger(__name__)


class Judging(Protocol):
    """Judges callers."""

    def __call__(self, certificate: bytes | None, *, forwarded: bool) -> str:
        """Why the caller may not ask; empty where he may.

        Args:
            certificate: which he has proven to be his in the handshake, DER; None where he has shown none.
            forwarded: whether he says that he is a replica.
        """
        ...


def guarded(
    routes: Mapping[Route, Handler], judge: Judging, current: Callable[[], Collection[ssl.SSLContext]]
) -> Mapping[Route, Handler]:
    """The same routes; what is sent to them (POST) is refused unread where the caller may not ask.

    Args:
        routes: by method and path.
        judge: of certificates that a handshake has let through.
        current: those by which handshakes go now. A connection that was made by another one is closed with the answer:
            whoever asks again proves himself anew.
    """
    return {
        (method, path): _guarded(handler, judge, current) if method == "POST" else handler
        for (method, path), handler in routes.items()
    }


def _guarded(handler: Handler, judge: Judging, current: Callable[[], Collection[ssl.SSLContext]]) -> Handler:
    async def answer(request: Request) -> Response:
        connection = _connection(request)
        certificate = connection.getpeercert(binary_form=True)
        refusal = judge(certificate, forwarded=_FORWARDED in request.headers)
        if not refusal:
            response = await handler(request)
            if connection.context not in current():
                response.close = True
            return response
        _log.warning("a caller was refused", client=request.remote, reason=refusal)
        return text(403, f"kubemacpool: {refusal}", close=True)

    return answer


def _connection(request: Request) -> ssl.SSLObject:
    """The TLS side of the connection.

    Raises:
        ConnectionError: it is closed already.
    """
    if request.gone or request.tls is None:
        raise ConnectionError("the client is gone")
    return request.tls


MUTATE_PODS = "/mutate-pods"
MUTATE_VIRTUAL_MACHINES = "/mutate-virtualmachines"
MUTATE_INSTANCES = "/mutate-virtualmachineinstances"
WEBHOOKS = (MUTATE_PODS, MUTATE_VIRTUAL_MACHINES, MUTATE_INSTANCES)


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


def _nothing() -> tuple[str, ...]:
    return ()


def webhook_routes(
    answers: Mapping[str, Reviewing],
    obstacles: Callable[[], Sequence[str]],
    remarks: Callable[[], Sequence[str]] = _nothing,
) -> Mapping[Route, Handler]:
    """The webhooks, and the kubelet's probes.

    Args:
        answers: by path, what judges the bodies of the reviews that are sent there.
        obstacles: what keeps this replica from being ready, a sentence each.
        remarks: what people should know of it though it is ready, a sentence each.
    """
    bodies = Bodies()
    return {
        **{("POST", path): _reviewing(answer, bodies) for path, answer in answers.items()},
        **health_routes(obstacles, remarks),
    }


def health_routes(
    obstacles: Callable[[], Sequence[str]], remarks: Callable[[], Sequence[str]] = _nothing
) -> Mapping[Route, Handler]:
    """The kubelet's probes.

    Args:
        obstacles: what keeps this replica from being ready, a sentence each.
        remarks: what people should know of it though it is ready, a sentence each.
    """

    async def alive(_: Request) -> Response:
        return text(200, "ok")

    async def ready(_: Request) -> Response:
        found = obstacles()
        return unavailable("\n".join(found)) if found else text(200, "\n".join(("ok", *remarks())))

    return {("GET", "/healthz"): alive, ("GET", "/readyz"): ready}


METRICS: Final = "/metrics"


def metrics_routes(exposition: Callable[[], tuple[bytes, str]]) -> Mapping[Route, Handler]:
    """The figures, for Prometheus; `exposition` gives the body and its Content-Type."""

    async def metrics(_: Request) -> Response:
        body, content_type = exposition()
        return Response(200, body, content_type)

    return {("GET", METRICS): metrics}


def _reviewing(answer: Reviewing, bodies: Bodies) -> Handler:
    async def review(request: Request) -> Response:
        media = request.header(b"content-type")
        if media != JSON and media.partition(";")[0].strip().lower() != JSON:
            return text(415, f"Content-Type is {media}; the API server sends {JSON}")
        with bodies.expect(request.remote) as body:
            try:
                content = await body.read(request)
            except NoRoomError as error:
                return unavailable(f"kubemacpool: {error}", close=True)
            given = await answer(content, _patience(request.query), forwarded=_FORWARDED in request.headers)
        headers = {} if given.retry_after is None else {"Retry-After": str(given.retry_after)}
        return Response(given.status, given.body, given.content_type, headers, close=given.elsewhere)

    return review


@lru_cache(maxsize=64)
def _patience(query: str) -> float | None:
    """The webhook's time-out as the API server tells it, in the query (`?timeout=10s`)."""
    try:
        return parse_duration(parse_qs(query).get("timeout", [""])[0])
    except (DurationError, ValueError):
        return None
