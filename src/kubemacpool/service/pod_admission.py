"""Answering the API server's question whether a pod may be created, and with which addresses."""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.decisions import AddressRequest, Granted
from kubemacpool.core.parties import POD, Party
from kubemacpool.core.pool import Pool
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import AddressDecider
from kubemacpool.ports.measures import Measures
from kubemacpool.service import refusing
from kubemacpool.service.admission import BAD_REQUEST, UNTOUCHED, Admission, Denial, Verdict, denial_of
from kubemacpool.service.conflicts import Resolution, decide
from kubemacpool.service.kinship import Kinship
from kubemacpool.service.policies import NamespacePolicies
from kubemacpool.service.refusing import Field
from kubemacpool.service.sticky import preferred
from kubemacpool.wire.carrying import MOST_INTERFACES
from kubemacpool.wire.networks import (
    NETWORKS_ANNOTATION,
    NetworkSelections,
    NetworksError,
    parse_networks,
)
from kubemacpool.wire.patches import annotation_patch
from kubemacpool.wire.pod_review import STICKY, PodReview, decode_pod_review
from kubemacpool.wire.quoting import first_of, listed, quoted

_log = structlog.get_logger(__name__)

UNSEPARATED: Final = 12
"""Characters of an address that is written as hexadecimal digits only."""

_FIELD: Final = Field(f"annotation {NETWORKS_ANNOTATION}", "mac")


class Place(NamedTuple):
    """What the preferred addresses of pods are derived from: the cluster's uid, and the pool in force."""

    cluster_uid: str
    pool: Callable[[], Pool]


class PodAdmission(Admission[PodReview]):
    """Gives the interfaces of new pods their addresses."""

    kind = POD

    def __init__(
        self,
        decider: AddressDecider,
        policies: NamespacePolicies,
        kinship: Kinship,
        place: Place,
        measures: Measures,
        clock: Clock,
    ) -> None:
        super().__init__(measures, clock)
        self._decider = decider
        self._policies = policies
        self._kinship = kinship
        self._place = place

    def decode(self, body: bytes) -> PodReview:
        """Read a review."""
        return decode_pod_review(body)

    async def admit(self, review: PodReview, party: Party) -> Verdict:
        """Fill in what is missing, and judge what the user gave."""
        if not review.networks or review.networks.isspace():
            return UNTOUCHED
        selections = _selections(review.networks, party)
        if selections is None:
            return UNTOUCHED._replace(warnings=[refusing.short_form_warning(review.networks)])
        if not selections.selections:
            return UNTOUCHED
        wanted = _wanted(selections, party)
        if review.owner is not None:
            family = await self._kinship.party_of_owner(review.namespace, review.owner)
            if family is not None:
                return await self._admit_launcher(review, party, family, wanted)
        return await self._admit_alone(review, party, selections, wanted)

    async def _admit_launcher(
        self, review: PodReview, pod: Party, family: Party, wanted: tuple[int | None, ...]
    ) -> Verdict:
        """A launcher pod carries what its virtual machine does, and is given nothing of its own."""
        given = {index: address for index, address in enumerate(wanted) if address is not None}
        if not given:
            return UNTOUCHED
        request = AddressRequest(family, tuple(given.values()), dry_run=review.dry_run, dependent=pod)
        labels = [f"entry {index}" for index in given]
        policy = self._policies.policy_of(review.namespace)
        decision, conflicts = await decide(self._decider, request, lambda _: policy.resolution)
        if not isinstance(decision, Granted):
            raise denial_of(decision, pod, _FIELD, labels, policy.fault)
        _log.debug(
            "granted", object=str(pod), family=str(family), addresses=first_of(_texts(decision)), dry_run=review.dry_run
        )
        warnings = [_admitted(refusing.conflict(labels, each)) for each in conflicts]
        return Verdict("granted", warnings=[*warnings, *policy.warnings(mattered=bool(conflicts))])

    async def _admit_alone(
        self, review: PodReview, party: Party, selections: NetworkSelections, wanted: tuple[int | None, ...]
    ) -> Verdict:
        warnings = _spelling_warnings(selections)
        sticky = self._preferred(review, party, wanted, warnings)
        policy = self._policies.policy_of(review.namespace)

        def resolution(interface: int) -> Resolution:
            return Resolution.REPLACE if interface in sticky else policy.resolution

        asked = tuple(sticky.get(index, address) for index, address in enumerate(wanted))
        request = AddressRequest(party, asked, dry_run=review.dry_run)
        decision, conflicts = await decide(self._decider, request, resolution)
        labels = [refusing.entry(index, selections.selections) for index in range(len(wanted))]
        if not isinstance(decision, Granted):
            raise denial_of(decision, party, _FIELD, labels, policy.fault)
        macs = _texts(decision)
        for each in conflicts:
            text = refusing.conflict(labels, each)
            warnings.append(_instead(text, macs[each.interface]) if each.interface in sticky else _admitted(text))
        warnings += policy.warnings(mattered=any(each.interface not in sticky for each in conflicts))
        value = selections.filled(review.namespace, macs)
        patch = None if value is None else annotation_patch(NETWORKS_ANNOTATION, value)
        _log.debug("granted", object=str(party), addresses=first_of(macs), dry_run=review.dry_run)
        return Verdict("granted", patch, warnings)

    def _preferred(
        self, review: PodReview, party: Party, wanted: tuple[int | None, ...], warnings: list[str]
    ) -> Mapping[int, int]:
        """By interface without an address of the user's choice, the one that a sticky pod prefers."""
        if review.sticky is None or review.sticky == "false":
            return {}
        if review.sticky != "true":
            fault = f'annotation {STICKY} is {quoted(review.sticky)}, expected "true" or "false"'
            raise Denial("invalid", BAD_REQUEST, f"{party}: {fault}")
        if not review.name:
            warnings.append(f"kubemacpool: {STICKY} has no effect without a name of the pod's own; use a StatefulSet")
            return {}
        taken = {address for address in wanted if address is not None}
        found: dict[int, int] = {}
        for index in (index for index, address in enumerate(wanted) if address is None):
            pod = (self._place.cluster_uid, review.namespace, review.name)
            address = preferred(self._place.pool(), pod, index, taken)
            if address is not None:
                found[index] = address
                taken.add(address)
        return found


def _texts(granted: Granted) -> list[str]:
    return [format_address(address) for address in granted.addresses]


def _admitted(conflict: str) -> str:
    return f"kubemacpool: {conflict}; admitted, because the conflict policy is warn"


def _instead(conflict: str, mac: str) -> str:
    return f"kubemacpool: {conflict}, so the sticky address is {mac} this time"


def _selections(networks: str, party: Party) -> NetworkSelections | None:
    try:
        selections = parse_networks(networks)
    except NetworksError as error:
        raise Denial("invalid", BAD_REQUEST, refusing.field_fault(party, _FIELD.where, str(error))) from error
    if selections is not None and (count := len(selections.selections)) > MOST_INTERFACES:
        raise Denial("invalid", BAD_REQUEST, refusing.too_many_entries(party, _FIELD.where, count))
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
        raise Denial("invalid", BAD_REQUEST, refusing.field_fault(party, _FIELD.where, listed(faults)))
    return tuple(wanted)
