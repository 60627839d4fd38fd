"""Who may read our figures and look inside: callers with a token, or a client certificate, that the cluster trusts.

As kube-rbac-proxy and controller-runtime do it: the API server is asked whose the token is (TokenReview), and whether
that user may do what he wants with the path (SubjectAccessReview). Its answers are kept for a while, so that a scrape
costs the API server nothing most of the time. A certificate is enough for some paths: the handshake lets none through
but those of the administrator's authority.
"""

import asyncio
import hashlib
import ssl
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from typing import Final, NamedTuple, Protocol, TypeVar

import structlog

from kubemacpool.pacing import TokenBucket
from kubemacpool.ports import Clock, OutsideError
from kubemacpool.server.connections import Handler
from kubemacpool.server.https import Route
from kubemacpool.server.messages import Request, Response, text, unavailable
from kubemacpool.wire.access import User

REMEMBERED: Final = 256
"""Judgements of either kind, so that made-up tokens drive nobody out who may read; a cluster has a few scrapers, with a
token each that is renewed every hour, and some administrators."""

ALLOWED_SECONDS: Final = 60.0
"""For which a yes counts: whoever loses the right may read for so long, as with kube-rbac-proxy (2 and 5 min there)."""

REFUSED_SECONDS: Final = 10.0
"""For which a no counts: whoever is given the right does not wait for long."""

GRACE_SECONDS: Final = 600.0
"""For which a yes counts longer while the API server cannot be asked: figures are needed most when it is down."""

REVIEW_SECONDS: Final = 5.0
"""For the API server to answer: half of what Prometheus gives a scrape by default."""

MOST_UNDER_WAY: Final = 8
"""Questions to the API server at a time, of callers that are not known; each is two small requests."""

QUESTIONS_A_SECOND: Final = 5.0
"""For tokens that are not known, from addresses that are not: whoever makes up tokens, from wherever, costs the API
server no more than this."""

QUESTIONS_AT_ONCE: Final = 40

OF_ONE_A_SECOND: Final = 1.0
OF_ONE_AT_ONCE: Final = 20
"""The same for one address, be it known or not. So a scraper whose token was exchanged is heard beside all who make up
tokens elsewhere."""

SOURCES: Final = 256
"""Addresses that are remembered, for what they have asked and for having had a caller who may."""

LONGEST_USER: Final = 400
"""Characters of a user's name that are repeated: a ServiceAccount's has 341 at most."""

_HELP: Final = "send a bearer token (Authorization: Bearer ...) of a user who may"

_log = structlog.get_logger(__name__)


class Reviews(Protocol):
    """What the API server says of callers. Both methods raise the errors of `kubemacpool.ports`."""

    async def user_of(self, token: str) -> User | None:
        """Whose a bearer token is; None where it is nobody's."""
        ...

    async def may(self, user: User, path: str, verb: str) -> bool:
        """Whether a user may do this with a path that is no resource."""
        ...


class Judgement(NamedTuple):
    """What a caller is told: HTTP's status, 200 where he may, and in words why he may not."""

    status: int
    reason: str = ""


class _Kept(NamedTuple):
    judgement: Judgement
    until: float


_Key = tuple[bytes, str, str]
"""Of a caller: his token's digest, so that no token is kept; path and verb."""

KeyT = TypeVar("KeyT")
ValueT = TypeVar("ValueT")

ALLOWED: Final = Judgement(200)
_BUSY: Final = "too many callers are being looked up"


class Access:
    """Judges callers.

    Args:
        reviews: what the API server says of them.
        clock: the process's own.
        certified: paths for which a client certificate is enough that the handshake has let through.
    """

    def __init__(self, reviews: Reviews, clock: Clock, certified: Collection[str] = ()) -> None:
        self._reviews = reviews
        self._clock = clock
        self._certified = certified
        self._kept: OrderedDict[_Key, _Kept] = OrderedDict()
        self._refused: OrderedDict[_Key, _Kept] = OrderedDict()
        self._under_way: dict[_Key, asyncio.Task[Judgement]] = {}
        self._questions = TokenBucket(QUESTIONS_A_SECOND, QUESTIONS_AT_ONCE)
        self._of_source: OrderedDict[str, TokenBucket] = OrderedDict()
        self._known_sources: OrderedDict[str, None] = OrderedDict()

    async def judge(self, request: Request) -> Judgement:
        """Whether the caller may have what he asks for."""
        if request.path in self._certified and has_certificate(request):
            return ALLOWED
        scheme, _, token = request.header(b"authorization").partition(" ")
        token = token.strip()
        if not token or scheme.lower() != "bearer":
            return Judgement(401, f"nobody may ask for {request.path} without saying who he is; {_HELP}")
        verb = "get" if request.method == "HEAD" else request.method.lower()
        key = (hashlib.sha256(token.encode("latin-1", "replace")).digest(), request.path, verb)
        for kept in (self._kept, self._refused):
            found = kept.get(key)
            if found is not None and self._clock.now() < found.until:
                kept.move_to_end(key)
                return found.judgement
        task = self._under_way.get(key)
        if task is None:
            if not self._may_ask(key, request.remote):
                return Judgement(503, _BUSY)
            task = self._under_way[key] = asyncio.create_task(self._ask(key, token, request.remote))
        return await asyncio.shield(task)  # whoever hangs up leaves the answer to others

    def _may_ask(self, key: _Key, source: str) -> bool:
        """Whether the API server is asked about a caller of whom nothing is known that still counts."""
        if key in self._kept:  # might a while ago: strangers are no reason to keep him waiting
            return True
        now = self._clock.now()
        bucket = self._of_source.get(source) or TokenBucket(OF_ONE_A_SECOND, OF_ONE_AT_ONCE)
        _keep(self._of_source, source, bucket, SOURCES)
        if len(self._under_way) >= MOST_UNDER_WAY or not bucket.take(now):
            return False
        return source in self._known_sources or self._questions.take(now)

    async def _ask(self, key: _Key, token: str, source: str) -> Judgement:
        _, path, verb = key
        try:
            async with asyncio.timeout(REVIEW_SECONDS):
                judgement = await self._review(token, path, verb)
        except (OutsideError, TimeoutError) as error:
            kept = self._kept.get(key)
            if kept is not None and self._clock.now() < kept.until + GRACE_SECONDS:
                return ALLOWED
            reason = str(error) or f"no answer within {REVIEW_SECONDS:g} s"
            _log.warning("cannot find out who asks", path=path, reason=reason)
            return Judgement(503, f"the API server cannot be asked who you are, or does not let us: {reason}")
        finally:
            self._under_way.pop(key, None)
        now = self._clock.now()
        if judgement is ALLOWED:
            self._refused.pop(key, None)
            _keep(self._kept, key, _Kept(judgement, now + ALLOWED_SECONDS), REMEMBERED)
            _keep(self._known_sources, source, None, SOURCES)
        else:
            self._kept.pop(key, None)
            _keep(self._refused, key, _Kept(judgement, now + REFUSED_SECONDS), REMEMBERED)
        return judgement

    async def _review(self, token: str, path: str, verb: str) -> Judgement:
        user = await self._reviews.user_of(token)
        if user is None:
            return Judgement(401, f"the API server does not know this token, or it has expired; {_HELP}")
        if await self._reviews.may(user, path, verb):
            return ALLOWED
        _log.info("a caller was refused", path=path, verb=verb, user=user.username)
        who, role = user.username[:LONGEST_USER], role_of(path)
        return Judgement(403, f'user "{who}" may not {verb} {path}; bind ClusterRole {role} to that user')


METRICS_READER: Final = "kubemacpool-metrics-reader"
DEBUG_READER: Final = "kubemacpool-debug-reader"


def role_of(path: str) -> str:
    """The ClusterRole as shipped that gives the right to a path."""
    return METRICS_READER if path == "/metrics" else DEBUG_READER


def has_certificate(request: Request) -> bool:
    """Whether the handshake has let a client certificate through."""
    return request.tls is not None and request.tls.getpeercert(binary_form=True) is not None


def _keep(kept: OrderedDict[KeyT, ValueT], key: KeyT, value: ValueT, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)


def restricted(
    routes: Mapping[Route, Handler], access: Access, current: Callable[[], ssl.SSLContext]
) -> Mapping[Route, Handler]:
    """The same routes, for callers who may.

    Args:
        routes: by method and path.
        access: judges them.
        current: by which handshakes go now. A connection with a certificate that was made by another one is closed with
            the answer: whoever asks again proves himself anew.
    """
    return {route: _closing(_restricted(handler, access), current) for route, handler in routes.items()}


def _closing(handler: Handler, current: Callable[[], ssl.SSLContext]) -> Handler:
    async def answer(request: Request) -> Response:
        response = await handler(request)
        if request.tls is not None and has_certificate(request) and request.tls.context is not current():
            response.close = True
        return response

    return answer


def _restricted(handler: Handler, access: Access) -> Handler:
    async def answer(request: Request) -> Response:
        judgement = await access.judge(request)
        if judgement.status == ALLOWED.status:
            return await handler(request)
        if judgement.status == 503:  # noqa: PLR2004 (HTTP's)
            return unavailable(f"kubemacpool: {judgement.reason}")
        headers = {"WWW-Authenticate": "Bearer"} if judgement.status == 401 else {}  # noqa: PLR2004 (HTTP's)
        return text(judgement.status, f"kubemacpool: {judgement.reason}", headers)

    return answer
