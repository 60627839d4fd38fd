"""Who may read our figures and look inside: callers with a token, or a client certificate, that the cluster trusts.

As kube-rbac-proxy and controller-runtime do it: the API server is asked whose the token is (TokenReview), and whether
that user may do what he wants with the path (SubjectAccessReview). Its answers are kept for a while, so that a scrape
costs the API server nothing most of the time.
"""

import asyncio
import hashlib
from collections import OrderedDict
from collections.abc import Callable, Mapping
from typing import Final, NamedTuple, Protocol

import structlog

from kubemacpool.pacing import TokenBucket
from kubemacpool.ports import Clock, OutsideError
from kubemacpool.server.connections import Handler
from kubemacpool.server.https import Route
from kubemacpool.server.messages import Request, Response, text, unavailable
from kubemacpool.wire.access import User

REMEMBERED: Final = 256
"""Judgements; a cluster has a few scrapers, with a token each that is renewed every hour, and some administrators."""

ALLOWED_SECONDS: Final = 60.0
"""For which a yes counts: whoever loses the right may read for so long, as with kube-rbac-proxy (2 and 5 min there)."""

REFUSED_SECONDS: Final = 10.0
"""For which a no counts: whoever is given the right does not wait for long."""

GRACE_SECONDS: Final = 600.0
"""For which a yes counts longer while the API server cannot be asked: figures are needed most when it is down."""

MOST_UNDER_WAY: Final = 8
"""Questions to the API server at a time, of all callers; each is two small requests."""

QUESTIONS_A_SECOND: Final = 5.0
"""For tokens that are not known: somebody who makes up tokens costs the API server no more than this."""

QUESTIONS_AT_ONCE: Final = 40

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


ALLOWED: Final = Judgement(200)
_BUSY: Final = "too many callers are being looked up"


class Access:
    """Judges callers.

    Args:
        reviews: what the API server says of them.
        certified: whether a client certificate, DER, was signed by the authority that may read here, as far as the
            handshake has not told already.
        clock: the process's own.
    """

    def __init__(self, reviews: Reviews, certified: Callable[[bytes], bool], clock: Clock) -> None:
        self._reviews = reviews
        self._certified = certified
        self._clock = clock
        self._kept: OrderedDict[tuple[bytes, str, str], _Kept] = OrderedDict()
        self._under_way: dict[tuple[bytes, str, str], asyncio.Task[Judgement]] = {}
        self._questions = TokenBucket(QUESTIONS_A_SECOND, QUESTIONS_AT_ONCE)

    async def judge(self, request: Request) -> Judgement:
        """Whether the caller may have what he asks for."""
        certificate = None if request.tls is None else request.tls.getpeercert(binary_form=True)
        if certificate is not None and self._certified(certificate):
            return ALLOWED
        scheme, _, token = request.header(b"authorization").partition(" ")
        token = token.strip()
        if not token or scheme.lower() != "bearer":
            return Judgement(401, f"nobody may ask for {request.path} without saying who he is; {_HELP}")
        verb = "get" if request.method == "HEAD" else request.method.lower()
        key = (hashlib.sha256(token.encode("latin-1", "replace")).digest(), request.path, verb)
        kept = self._kept.get(key)
        if kept is not None and self._clock.now() < kept.until:
            self._kept.move_to_end(key)
            return kept.judgement
        task = self._under_way.get(key)
        if task is None:
            if len(self._under_way) >= MOST_UNDER_WAY or not self._questions.take(self._clock.now()):
                return Judgement(503, _BUSY)
            task = self._under_way[key] = asyncio.create_task(self._ask(key, token))
        return await asyncio.shield(task)  # whoever hangs up leaves the answer to others

    async def _ask(self, key: tuple[bytes, str, str], token: str) -> Judgement:
        _, path, verb = key
        try:
            judgement = await self._review(token, path, verb)
        except OutsideError as error:
            kept = self._kept.get(key)
            if kept is not None and kept.judgement is ALLOWED and self._clock.now() < kept.until + GRACE_SECONDS:
                return ALLOWED
            _log.warning("cannot find out who asks", path=path, reason=str(error))
            return Judgement(503, f"the API server cannot be asked who you are, or does not let us: {error}")
        finally:
            self._under_way.pop(key, None)
        seconds = ALLOWED_SECONDS if judgement is ALLOWED else REFUSED_SECONDS
        self._kept.pop(key, None)
        self._kept[key] = _Kept(judgement, self._clock.now() + seconds)
        if len(self._kept) > REMEMBERED:
            self._kept.popitem(last=False)
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


def restricted(routes: Mapping[Route, Handler], access: Access) -> Mapping[Route, Handler]:
    """The same routes, for callers who may."""
    return {route: _restricted(handler, access) for route, handler in routes.items()}


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
