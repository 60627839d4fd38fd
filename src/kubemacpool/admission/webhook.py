"""Every replica answers; those that do not lead ask the one that does."""

from collections import OrderedDict
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from kubemacpool.admission.forwarding import Forwarder
from kubemacpool.ports import Clock, Leadership, Measures, PeerError
from kubemacpool.wire.review import (
    MISDIRECTED,
    RETRY_AFTER,
    SERVICE_UNAVAILABLE,
    Answer,
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
            patience: the time-out that the API server told, in seconds.
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
"""The API server's, where it does not tell: a webhook's time-out unless something else is configured."""

_log = structlog.get_logger(__name__)


class Router:
    """Answers a review here if this replica leads, and otherwise has it answered where one does."""

    def __init__(
        self,
        path: str,
        answer_here: Callable[[bytes], Awaitable[Answer]],
        leadership: Leadership,
        forwarder: Forwarder,
        measures: Measures,
        clock: Clock,
    ) -> None:
        """Route the reviews of one path.

        Args:
            path: where they are sent to, here and at the others.
            answer_here: decides in this process, or answers 503.
            leadership: who leads.
            forwarder: hands reviews to the others; one for all paths.
            measures: told of what was forwarded.
            clock: the process's own.
        """
        self._path = path
        self._answer_here = answer_here
        self._leadership = leadership
        self._forwarder = forwarder
        self._measures = measures
        self._clock = clock
        self._deadlines = Deadlines()

    async def answer(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """Answer a review; while nobody leads, hold it a little first.

        Args:
            body: the review, as it came.
            patience: seconds after which the API server gives up, None where it did not say.
            forwarded: whether another replica sent it: then it is answered here or not at all, and at once.
        """
        if patience is None:
            patience = PATIENCE_SECONDS
        arrived = self._clock.now()
        if forwarded:
            return await self._answer_forwarded(body, arrived, patience)
        left = min(HOLD_SECONDS, patience - SPARE_SECONDS)
        answer = await self._attempt(body, max(left, SPARE_SECONDS), patience)
        if answer is not None and answer.status != SERVICE_UNAVAILABLE:
            return answer
        deadline = self._deadlines.of(body, arrived, patience)
        hold_until = min(arrived + HOLD_SECONDS, deadline - SPARE_SECONDS)
        while answer is None and self._is_worth_waiting() and (left := hold_until - self._clock.now()) > 0:
            mine = await self._forwarder.turn(left)
            left = hold_until - self._clock.now()
            answer = await self._attempt(body, max(left, SPARE_SECONDS), patience, mine=mine)
        if answer is None:
            # The API server would ask again on this connection: here, where nobody may know who leads by then.
            answer = (await self._excuse(body))._replace(elsewhere=True)
        return self._last_word(body, answer, deadline)

    async def _answer_forwarded(self, body: bytes, arrived: float, patience: float) -> Answer:
        """What the leader says; it alone sees every time that an admission is asked for, by whomever."""
        if not self._leadership.leading:
            return in_words(MISDIRECTED, "not leading")
        answer = await self._answer_here(body)
        if answer.status != SERVICE_UNAVAILABLE:
            return answer
        return self._last_word(body, answer, self._deadlines.of(body, arrived, patience))

    def _is_worth_waiting(self) -> bool:
        """Whether this replica hears of the leader, and would reach it: else the API server had better ask."""
        return not self._leadership.out_of_touch and not self._forwarder.is_cut_off

    async def _attempt(self, body: bytes, seconds: float, patience: float, *, mine: bool = False) -> Answer | None:
        """The answer of the leader; None where there is nobody, or where that one does not answer.

        Args:
            body: the review.
            seconds: for the leader to answer.
            patience: the API server's.
            mine: whether it is this review's turn to be handed to a replica that has been silent.
        """
        if self._decides():
            answer = await self._answer_here(body)
            # What keeps the leader from answering takes longer than anybody can be held.
            return answer if answer.status != SERVICE_UNAVAILABLE or self._decides() else None
        endpoint = self._leadership.leader_endpoint
        if endpoint is None or not (mine or self._forwarder.may_try(endpoint)):
            return None
        try:
            return await self._hand_on(endpoint, body, seconds, patience)
        except PeerError:
            return None

    def _decides(self) -> bool:
        return self._leadership.leading

    async def _excuse(self, body: bytes) -> Answer:
        """Why there is no answer."""
        endpoint = self._leadership.leader_endpoint
        if endpoint is None:
            return await self._answer_here(body)
        return in_words(
            SERVICE_UNAVAILABLE, f"kubemacpool cannot decide yet: replica {endpoint}, which decides, does not answer"
        )

    def _last_word(self, body: bytes, answer: Answer, deadline: float) -> Answer:
        """When the API server has no time left to ask again, say no with code 503, so that people read why."""
        uid = decode_uid(body)
        last = deadline - self._clock.now() < RETRY_AFTER + SPARE_SECONDS
        if answer.status != SERVICE_UNAVAILABLE or not last or not uid:
            return answer
        reason = answer.body.decode().strip()
        return Answer(200, encode_denied(uid, SERVICE_UNAVAILABLE, "ServiceUnavailable", f"{reason}; try again"))

    async def _hand_on(self, endpoint: str, body: bytes, seconds: float, patience: float) -> Answer:
        path = f"{self._path}?timeout={patience:.3f}s"  # as the API server tells it
        try:
            answer = await self._forwarder.forward(endpoint, path, body, seconds)
        except PeerError as error:
            self._measures.forwarded("failed")
            _log.debug("not forwarded", reason=str(error))
            raise
        if answer.status == MISDIRECTED:
            self._measures.forwarded("misdirected")
            raise PeerError(f"replica {endpoint} does not decide")
        self._measures.forwarded("answered")
        return answer
