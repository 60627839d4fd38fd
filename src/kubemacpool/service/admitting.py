"""Answering the API server's question whether a pod may be created, and with which addresses."""

from typing import Final

import structlog

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.decisions import MISTAKES, AddressRequest, Exhausted, Granted, Refusal, Refused
from kubemacpool.core.parties import Party
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import AddressDecider, NotDecidingError
from kubemacpool.ports.measures import Measures, Outcome
from kubemacpool.service import refusing
from kubemacpool.service.following import POD
from kubemacpool.wire.admission import PodReview, ReviewError, decode_pod_review, encode_allowed, encode_denied
from kubemacpool.wire.answers import Answer, in_words
from kubemacpool.wire.networks import (
    LARGEST_ANNOTATIONS,
    NETWORKS_ANNOTATION,
    NetworkSelections,
    NetworksError,
    parse_networks,
)
from kubemacpool.wire.patches import annotation_patch
from kubemacpool.wire.quoting import quoted

_log = structlog.get_logger(__name__)

MOST_ENTRIES: Final = LARGEST_ANNOTATIONS // len('{"namespace":"n","mac":"020000000001"},')
"""Of an annotation. More do not fit into an object once each has what we fill in: the API server would refuse the pod
after it was given its addresses. Nor would many more fit into the Lease (`MOST_NAMES`): all who shared that write would
be sent away."""

UNSEPARATED = 12
"""Characters of an address that is written as hexadecimal digits only."""


class _Denial(Exception):  # noqa: N818 (not an error of ours: the answer no, on its way out)
    """The answer no."""

    def __init__(
        self, outcome: Outcome, code: int, reason: str, message: str, refusals: tuple[Refusal, ...] = ()
    ) -> None:
        super().__init__(message)
        self.outcome = outcome
        self.code = code
        self.reason = reason
        self.message = message
        self.refusals = refusals


class PodAdmission:
    """Gives the interfaces of new pods their addresses."""

    def __init__(self, decider: AddressDecider, measures: Measures, clock: Clock) -> None:
        self._decider = decider
        self._measures = measures
        self._clock = clock
        self._hindrance = ""  # why the last request could not be decided

    async def answer(self, body: bytes) -> Answer:
        """Answer one AdmissionReview; never raises for anything that the body can contain."""
        began = self._clock.now()
        outcome, answer = await self._judge(body)
        self._measures.admission(outcome, self._clock.now() - began)
        return answer

    async def _judge(self, body: bytes) -> tuple[Outcome, Answer]:
        try:
            review = decode_pod_review(body)
        except ReviewError as error:
            _log.warning("review not understood", error=str(error))
            return "malformed", in_words(400, str(error))
        party = _party(review)
        try:
            outcome, reply = await self._admit(review, party)
        except _Denial as denial:
            _log.info("refused", object=str(party), reason=denial.message, **_refused_addresses(denial.refusals))
            return denial.outcome, Answer(200, encode_denied(review.uid, denial.code, denial.reason, denial.message))
        except NotDecidingError as error:
            self._log_not_deciding(party, str(error))
            return "unavailable", in_words(503, f"kubemacpool cannot decide yet: {error}")
        return outcome, Answer(200, reply)

    def _log_not_deciding(self, party: Party, reason: str) -> None:
        """Once for each reason: the API server asks again every second for every pod that waits."""
        log = _log.debug if reason == self._hindrance else _log.warning
        self._hindrance = reason
        log("cannot decide yet", object=str(party), reason=reason)

    async def _admit(self, review: PodReview, party: Party) -> tuple[Outcome, bytes]:
        if not review.networks or review.networks.isspace():
            return "untouched", encode_allowed(review.uid)
        selections = _selections(review.networks, party)
        if selections is None:
            warning = refusing.short_form_warning(review.networks)
            return "untouched", encode_allowed(review.uid, warnings=[warning])
        if not selections.selections:
            return "untouched", encode_allowed(review.uid)
        request = AddressRequest(party, _wanted(selections, party), dry_run=review.dry_run)
        decision = await self._decider.decide(request)
        self._hindrance = ""
        match decision:
            case Granted(addresses):
                macs = [format_address(address) for address in addresses]
                value = selections.filled(review.namespace, macs)
                patch = None if value is None else annotation_patch(NETWORKS_ANNOTATION, value)
                _log.debug("granted", object=str(party), addresses=macs, dry_run=review.dry_run)
                return "granted", encode_allowed(review.uid, patch, _spelling_warnings(selections))
            case Refused(refusals):
                message = refusing.refusals(party, selections.selections, refusals)
                mistaken = any(refusal.fault in MISTAKES for refusal in refusals)
                code, reason = (400, "BadRequest") if mistaken else (403, "Forbidden")
                raise _Denial("refused", code, reason, message, refusals)
            case Exhausted():
                raise _Denial("exhausted", 403, "Forbidden", refusing.exhausted(party, decision))


def _refused_addresses(refusals: tuple[Refusal, ...]) -> dict[str, list[str]]:
    """Keys by which a log can be searched: for an address, or for whoever has it."""
    if not refusals:
        return {}
    return {
        "addresses": [format_address(refusal.address) for refusal in refusals],
        "holders": [str(refusal.detail) for refusal in refusals if isinstance(refusal.detail, Party)],
    }


def _party(review: PodReview) -> Party:
    """Who would hold the addresses; while the pod has no name, its request stands for it."""
    if review.name:
        return Party(POD, review.namespace, review.name)
    return Party(POD, review.namespace, "", review.generate_name, review.uid)


def _selections(networks: str, party: Party) -> NetworkSelections | None:
    try:
        selections = parse_networks(networks)
    except NetworksError as error:
        raise _Denial("invalid", 400, "BadRequest", refusing.annotation_fault(party, str(error))) from error
    if selections is not None and (count := len(selections.selections)) > MOST_ENTRIES:
        raise _Denial("invalid", 400, "BadRequest", refusing.too_many_entries(party, count, MOST_ENTRIES))
    return selections


def _spelling_warnings(selections: NetworkSelections) -> list[str]:
    """Addresses that we understand and CNI plugins (Go's net.ParseMAC) do not: the pod would not start."""
    return [
        f"kubemacpool: mac {selection.mac} is written without separators, which CNI plugins do not understand; "
        f"write {format_address(int(selection.mac, 16))}"
        for selection in selections.selections
        if len(selection.mac) == UNSEPARATED
    ]


def _wanted(selections: NetworkSelections, party: Party) -> tuple[int | None, ...]:
    """The addresses that the user gave; all that cannot be read are named in one answer."""
    wanted: list[int | None] = []
    faults: list[str] = []
    for index, selection in enumerate(selections.selections):
        if not selection.mac:
            wanted.append(None)
            continue
        try:
            wanted.append(parse_address(selection.mac))
        except AddressError as error:
            faults.append(f"{refusing.entry(index, selections.selections)}: mac {quoted(selection.mac)} is {error}")
    if faults:
        raise _Denial("invalid", 400, "BadRequest", refusing.annotation_fault(party, "; ".join(faults)))
    return tuple(wanted)
