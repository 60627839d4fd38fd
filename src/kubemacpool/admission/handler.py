"""The frame of every admission: a review comes in, an answer goes out, figures and logs are kept."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Final, Generic, NamedTuple, Protocol, TypeVar

import structlog

from kubemacpool.admission import messages
from kubemacpool.admission.allocation import TAKEN
from kubemacpool.admission.messages import Field
from kubemacpool.admission.policies import Policy
from kubemacpool.core.addresses import format_address
from kubemacpool.core.parties import Party
from kubemacpool.core.requests import MISTAKES, Exhausted, Fault, OverLimit, Refusal, Refused
from kubemacpool.ports import Clock, Measures, Outcome, RefusalReason, RetryLaterError
from kubemacpool.wire.quoting import first_of, quoted
from kubemacpool.wire.review import (
    LONGEST_NAME,
    ReviewError,
    encode_allowed,
    encode_denied,
)

_log = structlog.get_logger(__name__)

BAD_REQUEST: Final = (400, "BadRequest")
FORBIDDEN: Final = (403, "Forbidden")


class Review(Protocol):
    """What every review has."""

    @property
    def uid(self) -> str:
        """Of the request, to be repeated in the answer."""
        ...

    @property
    def namespace(self) -> str:
        """The object's."""
        ...

    @property
    def name(self) -> str:
        """The object's; empty while the API server has yet to make one."""
        ...

    @property
    def generate_name(self) -> str:
        """The prefix of that name."""
        ...


ReviewT = TypeVar("ReviewT", bound=Review)


class Verdict(NamedTuple):
    """The answer yes: how it came about, a JSON patch where there is one, and warnings for the user."""

    outcome: Outcome
    patch: bytes | None = None
    warnings: Sequence[str] = ()


UNTOUCHED: Final = Verdict("untouched")


_REASONS: Final[Mapping[Fault, RefusalReason]] = {
    Fault.HELD: "held",
    Fault.IN_FLIGHT: "in_flight",
    Fault.TWICE: "twice",
    Fault.UNUSABLE: "unusable",
}


class Denial(Exception):  # noqa: N818 (not an error of ours: the answer no, on its way out)
    """The answer no."""

    def __init__(
        self, outcome: Outcome, status: tuple[int, str], message: str, refusals: tuple[Refusal, ...] = ()
    ) -> None:
        """Deny.

        Args:
            outcome: for the figures.
            status: HTTP status and StatusReason that the user's client will see.
            message: what is wrong, with which object, and what to do.
            refusals: the addresses in question.
        """
        super().__init__(message)
        self.outcome = outcome
        self.status = status
        self.message = message
        self.refusals = refusals

    @property
    def reason(self) -> RefusalReason:
        """In one word, for the figures."""
        if self.refusals:
            return _REASONS[self.refusals[0].fault]
        if self.outcome == "exhausted":
            return "exhausted"
        return "limit" if self.outcome == "refused" else "invalid"


class Admission(ABC, Generic[ReviewT]):
    """Answers the reviews of one kind of object."""

    kind: str
    """Of the objects."""

    def __init__(self, measures: Measures, clock: Clock) -> None:
        self._measures = measures
        self._clock = clock
        self._hindrance = ""  # why the last request could not be decided

    @abstractmethod
    def decode(self, body: bytes) -> ReviewT:
        """Read a review.

        Raises:
            ReviewError: it is none, or about something else.
        """

    @abstractmethod
    async def admit(self, review: ReviewT, party: Party) -> Verdict:
        """Judge an object.

        Raises:
            Denial: the answer is no.
            RetryLaterError: there is no answer now.
        """

    async def answer(self, body: bytes) -> bytes:
        """The AdmissionReview that answers one.

        Raises:
            ReviewError: it is none, or about something else.
            RetryLaterError: there is no answer now.
        """
        began = self._clock.now()
        outcome: Outcome = "unavailable"
        try:
            outcome, answer = await self._judge(body)
        except ReviewError as error:
            outcome = "malformed"
            _log.warning("review not understood", error=str(error))
            raise
        finally:
            self._measures.admission(outcome, self._clock.now() - began)
        return answer

    async def _judge(self, body: bytes) -> tuple[Outcome, bytes]:
        review = self.decode(body)
        if fault := _fault_of_name(review):
            self._measures.refused("invalid")
            _log.info("refused", namespace=review.namespace, reason=fault)
            return "invalid", encode_denied(review.uid, *BAD_REQUEST, fault)
        party = self._party(review)
        try:
            verdict = await self.admit(review, party)
        except Denial as denial:
            self._measures.refused(denial.reason)
            _log.info("refused", object=str(party), reason=denial.message, **_refused_addresses(denial.refusals))
            return denial.outcome, encode_denied(review.uid, *denial.status, denial.message)
        except RetryLaterError as error:
            self._log_retry_later(party, str(error))
            raise
        if verdict.outcome != "untouched":
            self._hindrance = ""
        return verdict.outcome, encode_allowed(review.uid, verdict.patch, verdict.warnings)

    def _party(self, review: ReviewT) -> Party:
        """Who would hold the addresses; while the object has no name, its request stands for it."""
        if review.name:
            return Party(self.kind, review.namespace, review.name)
        return Party(self.kind, review.namespace, "", review.generate_name, review.uid)

    def _log_retry_later(self, party: Party, reason: str) -> None:
        """Once for each reason: the API server asks again every second for every object that waits."""
        log = _log.debug if reason == self._hindrance else _log.warning
        self._hindrance = reason
        log("cannot decide yet", object=str(party), reason=reason)


def _fault_of_name(review: Review) -> str:
    """Why no object can have such a name; it is not repeated in messages, nor remembered. Empty where one can."""
    if len(review.name) <= LONGEST_NAME and len(review.generate_name) <= LONGEST_NAME:
        return ""
    for field, name in (("name", review.name), ("generateName", review.generate_name)):
        if len(name) > LONGEST_NAME:
            return f"metadata.{field} {quoted(name)} has {len(name)} characters; give at most {LONGEST_NAME}"
    return ""


def denial_of(
    decision: Refused | Exhausted | OverLimit, party: Party, field: Field, labels: Sequence[str], policy: Policy
) -> Denial:
    """The answer no to a request that was not allocated.

    Args:
        decision: what was decided.
        party: who asked.
        field: the one in question.
        labels: what each interface of the request is called there.
        policy: what holds in the object's namespace; what is wrong with it is said where it would have mattered.
    """
    if isinstance(decision, Exhausted):
        return Denial("exhausted", FORBIDDEN, messages.exhausted(party, decision))
    if isinstance(decision, OverLimit):
        return Denial("refused", FORBIDDEN, messages.over_limit(party, decision))
    mistaken = any(refusal.fault in MISTAKES for refusal in decision.refusals)
    shown = [policy.shown(refusal, party.namespace) for refusal in decision.refusals]
    message = messages.field_fault(party, field.where, messages.refusals(labels, shown, field.key))
    if policy.fault and any(refusal.fault in TAKEN for refusal in decision.refusals):
        message = f"{message}; {policy.fault}"
    return Denial("refused", BAD_REQUEST if mistaken else FORBIDDEN, message, decision.refusals)


def texts_of(addresses: Sequence[int]) -> list[str]:
    """Addresses as a line of a log has them: the first ten."""
    return first_of([format_address(address) for address in addresses])


def _refused_addresses(refusals: tuple[Refusal, ...]) -> dict[str, list[str]]:
    """Keys by which a log can be searched: for an address, or for its holder."""
    if not refusals:
        return {}
    return {
        "addresses": texts_of([refusal.address for refusal in refusals]),
        "holders": first_of([str(each.detail) for each in refusals if isinstance(each.detail, Party)]),
    }
