"""Every replica answers; those that do not decide ask the one that does."""

from collections.abc import Awaitable, Callable
from typing import Final, Protocol

import structlog

from kubemacpool.ports.clock import Clock
from kubemacpool.ports.forwarding import Peer, PeerError
from kubemacpool.ports.measures import Measures
from kubemacpool.service.deadlines import Deadlines
from kubemacpool.wire.admission import decode_uid, encode_denied
from kubemacpool.wire.answers import RETRY_AFTER, SERVICE_UNAVAILABLE, Answer, in_words

HOLD_SECONDS: Final = 3.0
"""How long a review waits here for somebody who decides. After that the API server is asked to come again: it does so
by itself, inside the same admission, and perhaps to another replica."""

SPARE_SECONDS: Final = 0.5
"""Of the API server's patience, kept for the way back."""

PATIENCE_SECONDS: Final = 10.0
"""The API server's, where it does not tell: a webhook's time-out unless something else is configured."""

PAUSE_SECONDS: Final = 0.1
"""Between two attempts, when nothing has changed meanwhile."""

MISDIRECTED: Final = 421
"""What a replica answers to a review that was handed to it while it does not decide (RFC 9110, section 15.5.20)."""

_log = structlog.get_logger(__name__)


class Tenure(Protocol):
    """Who decides, as the election knows it."""

    @property
    def deciding(self) -> bool:
        """Whether this replica does."""
        ...

    @property
    def endpoint_of_decider(self) -> str | None:
        """Where another one is reached that does; None where none is known."""
        ...

    @property
    def out_of_touch(self) -> bool:
        """Whether this replica has heard nothing for so long that the others may well know of one."""
        ...

    async def until_changed(self, seconds: float) -> None:
        """Returns when that has changed, or after so many seconds."""
        ...


class Router:
    """Answers a review here if this replica decides, and otherwise has it answered where one does."""

    def __init__(
        self,
        path: str,
        answer_here: Callable[[bytes], Awaitable[Answer]],
        tenure: Tenure,
        peer: Peer,
        measures: Measures,
        clock: Clock,
    ) -> None:
        """Route the reviews of one path.

        Args:
            path: where they are sent to, here and at the others.
            answer_here: decides in this process, or answers 503.
            tenure: who decides.
            peer: reaches the others.
            measures: told of what was forwarded.
            clock: the process's own.
        """
        self._path = path
        self._answer_here = answer_here
        self._tenure = tenure
        self._peer = peer
        self._measures = measures
        self._clock = clock
        self._deadlines = Deadlines()

    async def answer(self, body: bytes, patience: float | None, *, forwarded: bool) -> Answer:
        """Answer a review; while nobody decides, hold it a little first.

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
        answer = await self._attempt(body, max(min(HOLD_SECONDS, patience - SPARE_SECONDS), SPARE_SECONDS), patience)
        if answer is not None and answer.status != SERVICE_UNAVAILABLE:
            return answer
        deadline = self._deadlines.of(body, arrived, patience)
        hold_until = min(arrived + HOLD_SECONDS, deadline - SPARE_SECONDS)
        while answer is None and not self._tenure.out_of_touch and (left := hold_until - self._clock.now()) > 0:
            await self._tenure.until_changed(min(left, PAUSE_SECONDS))
            answer = await self._attempt(body, max(left, SPARE_SECONDS), patience)
        if answer is None:
            # The API server would ask again on this connection: here, where nobody may know who decides by then.
            answer = (await self._excuse(body))._replace(elsewhere=True)
        return self._last_word(body, answer, deadline)

    async def _answer_forwarded(self, body: bytes, arrived: float, patience: float) -> Answer:
        """What the one who decides says; it alone sees every time that an admission is asked for, by whomever."""
        if not self._tenure.deciding:
            return in_words(MISDIRECTED, "not deciding")
        answer = await self._answer_here(body)
        if answer.status != SERVICE_UNAVAILABLE:
            return answer
        return self._last_word(body, answer, self._deadlines.of(body, arrived, patience))

    async def _attempt(self, body: bytes, seconds: float, patience: float) -> Answer | None:
        """The answer of the one who decides; None where there is nobody, or where that one does not answer."""
        if self._decides():
            answer = await self._answer_here(body)
            # What keeps the one who decides from answering takes longer than anybody can be held.
            return answer if answer.status != SERVICE_UNAVAILABLE or self._decides() else None
        endpoint = self._tenure.endpoint_of_decider
        if endpoint is None:
            return None
        try:
            return await self._hand_on(endpoint, body, seconds, patience)
        except PeerError:
            return None

    def _decides(self) -> bool:
        return self._tenure.deciding

    async def _excuse(self, body: bytes) -> Answer:
        """Why there is no answer."""
        endpoint = self._tenure.endpoint_of_decider
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
            answer = await self._peer.forward(endpoint, path, body, seconds)
        except PeerError as error:
            self._measures.forwarded("failed")
            _log.debug("not forwarded", reason=str(error))
            raise
        if answer.status == MISDIRECTED:
            self._measures.forwarded("misdirected")
            raise PeerError(f"replica {endpoint} does not decide")
        self._measures.forwarded("answered")
        return answer
