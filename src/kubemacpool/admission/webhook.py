"""Every replica answers; those that do not lead ask the one that does."""

from collections import OrderedDict
from typing import Final, Protocol

import structlog

from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.follow.readiness import Readiness
from kubemacpool.ports import Clock, Leadership, Measures, PeerError, RetryLaterError
from kubemacpool.wire.review import (
    MISDIRECTED,
    RETRY_AFTER,
    SERVICE_UNAVAILABLE,
    Answer,
    ReviewError,
    decode_uid,
    encode_denied,
    in_words,
)

REMEMBERED: Final = 4096
"""Admissions that wait at a time. One that is forgotten is held a little too long, and that is all."""


class Deadlines:
    """The admissions that could not be answered at once."""

    def __init__(self) -> None:
        self._first_asked: OrderedDict[str, float] = OrderedDict()

    def of(self, body: bytes, asked: float, patience: float) -> float:
        """When the API server gives up on a review.

        Args:
            body: the review.
            asked: when it came, seconds on the monotonic clock.
            patience: the time-out that the API server gave, in seconds.
        """
        uid = decode_uid(body)
        first = self._first_asked.setdefault(uid, asked) if uid else asked
        if asked >= first + patience:  # not the same admission any more
            first = self._first_asked[uid] = asked
        if len(self._first_asked) > REMEMBERED:
            self._first_asked.popitem(last=False)
        return first + patience


HOLD_SECONDS: Final = 3.0
"""How long a review waits here for somebody who leads. After that the API server is asked to come again: it does so
by itself, inside the same admission, and perhaps to another replica."""

SPARE_SECONDS: Final = 0.5
"""Of the API server's patience, kept for the way back."""

PATIENCE_SECONDS: Final = 10.0
"""The API server's, where it does not give one: a webhook's time-out unless something else is configured."""

CANNOT_DECIDE: Final = "kubemacpool cannot decide yet: "

OK: Final = 200
BAD_REQUEST: Final = 400

_log = structlog.get_logger(__name__)


class Handler(Protocol):
    """Judges the reviews of one kind of object (`admission/handler.py`)."""

    async def answer(self, body: bytes) -> bytes:
        """The AdmissionReview that answers one.

        Raises:
            ReviewError: it is none, or about something else.
            RetryLaterError: there is no answer now.
        """
        ...


class Webhook:
    """Answers the reviews of one path: here if this replica leads, and otherwise by having the leader asked."""

    def __init__(self, path: str, readiness: Readiness, measures: Measures, clock: Clock) -> None:
        """Answer 503 until there is somebody who can judge.

        Args:
            path: where the reviews are sent to, here and at the others.
            readiness: what is waited for until then.
            measures: counts what was forwarded.
            clock: the process's own.
        """
        self._path = path
        self._readiness = readiness
        self._handler: Handler
        self._leadership: Leadership
        self._forwarder: Forwarder
        self._serves = False
        self._measures = measures
        self._clock = clock
        self._deadlines = Deadlines()

    def serve(self, handler: Handler, leadership: Leadership, forwarder: Forwarder) -> None:
        """Answer reviews from now on.

        Args:
            handler: judges in this process.
            leadership: who leads.
            forwarder: reaches the leader; one for all paths.
        """
        self._handler, self._leadership, self._forwarder = handler, leadership, forwarder
        self._serves = True

    async def answer(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """Answer a review; while nobody leads, hold it a little first.

        Args:
            body: the review, as it came.
            patience: seconds after which the API server gives up, None where it did not say.
            forwarded: whether another replica sent it: then it is answered here or not at all, and at once. The leader
                alone sees every time that an admission is asked for, by whomever.
        """
        if not self._serves:
            reason = "; ".join(self._readiness.obstacles) or "it has just started"
            return in_words(SERVICE_UNAVAILABLE, f"{CANNOT_DECIDE}{reason}")
        arrived = self._clock.now()
        if patience is None:
            patience = PATIENCE_SECONDS
        if forwarded and not self._leadership.leading:
            return in_words(MISDIRECTED, "not leading")
        try:
            if forwarded:
                return await self._answer_here(body)
            return await self._answer_somewhere(body, arrived, patience)
        except RetryLaterError as error:
            return self._last_word(body, error, self._deadlines.of(body, arrived, patience))

    async def _answer_here(self, body: bytes) -> Answer:
        """What this replica says.

        Raises:
            RetryLaterError: it cannot say anything now.
        """
        try:
            return Answer(OK, await self._handler.answer(body))
        except ReviewError as error:
            return in_words(BAD_REQUEST, str(error))

    async def _answer_somewhere(self, body: bytes, arrived: float, patience: float) -> Answer:
        """What the leader says, as soon as there is one.

        Raises:
            RetryLaterError: there is none, or it cannot say anything now.
        """
        left = min(HOLD_SECONDS, patience - SPARE_SECONDS)
        answer = await self._attempt(body, max(left, SPARE_SECONDS), patience)
        if answer is not None:
            return answer
        deadline = self._deadlines.of(body, arrived, patience)
        hold_until = min(arrived + HOLD_SECONDS, deadline - SPARE_SECONDS)
        while answer is None and self._is_worth_waiting() and (left := hold_until - self._clock.now()) > 0:
            mine = await self._forwarder.turn(left)
            left = hold_until - self._clock.now()
            answer = await self._attempt(body, max(left, SPARE_SECONDS), patience, mine=mine)
        return await self._excuse(body) if answer is None else answer

    def _is_worth_waiting(self) -> bool:
        """Whether this replica hears of the leader, and would reach it: else the API server had better ask another."""
        return not self._leadership.out_of_touch and not self._forwarder.is_cut_off

    async def _attempt(self, body: bytes, seconds: float, patience: float, *, mine: bool = False) -> Answer | None:
        """The answer of the leader; None where there is nobody, or where that one does not answer.

        Args:
            body: the review.
            seconds: for the leader to answer.
            patience: the API server's.
            mine: whether it is this review's turn to be forwarded to a replica that has been silent.

        Raises:
            RetryLaterError: the leader cannot say anything now; that takes longer than a review can be held.
        """
        if self._leadership.leading:
            try:
                return await self._answer_here(body)
            except RetryLaterError:
                if self._leads():
                    raise
                return None
        endpoint = self._leadership.leader_endpoint
        if endpoint is None or not (mine or self._forwarder.may_try(endpoint)):
            return None
        try:
            answer = await self._forward(endpoint, body, seconds, patience)
        except PeerError:
            return None
        if answer.status == SERVICE_UNAVAILABLE:
            raise RetryLaterError(answer.body.decode().strip().removeprefix(CANNOT_DECIDE))
        return answer

    def _leads(self) -> bool:
        """Asked again after an await, over which mypy takes an attribute to stay as it was."""
        return self._leadership.leading

    async def _excuse(self, body: bytes) -> Answer:
        """Why there is no answer. The API server would ask again on this connection, where nobody may know a leader.

        Raises:
            RetryLaterError: always, but for a review that needs no leader.
        """
        endpoint = self._leadership.leader_endpoint
        if endpoint is not None:
            raise RetryLaterError(f"replica {endpoint}, which leads, does not answer", elsewhere=True)
        try:
            return await self._answer_here(body)
        except RetryLaterError as error:
            raise RetryLaterError(str(error), elsewhere=True) from error

    def _last_word(self, body: bytes, error: RetryLaterError, deadline: float) -> Answer:
        """Not now; when the API server has no time left to ask again, a denial with code 503: people read why."""
        reason = f"{CANNOT_DECIDE}{error}"
        if deadline - self._clock.now() < RETRY_AFTER + SPARE_SECONDS and (uid := decode_uid(body)):
            return Answer(OK, encode_denied(uid, SERVICE_UNAVAILABLE, "ServiceUnavailable", f"{reason}; try again"))
        return in_words(SERVICE_UNAVAILABLE, reason)._replace(elsewhere=error.elsewhere)

    async def _forward(self, endpoint: str, body: bytes, seconds: float, patience: float) -> Answer:
        path = f"{self._path}?timeout={patience:.3f}s"  # as the API server tells it
        try:
            answer = await self._forwarder.forward(endpoint, path, body, seconds)
        except PeerError as error:
            self._measures.forwarded("failed")
            _log.debug("not forwarded", reason=str(error))
            raise
        if answer.status == MISDIRECTED:
            self._measures.forwarded("misdirected")
            raise PeerError(f"replica {endpoint} does not lead")
        self._measures.forwarded("answered")
        return answer
