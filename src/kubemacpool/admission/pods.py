"""Answering the API server's question whether a pod may have the networks that it asks for, with which addresses."""

from collections.abc import Callable, Collection, Mapping, Sequence
from hashlib import sha256
from logging import DEBUG
from typing import Final, NamedTuple

import structlog

from kubemacpool.admission import messages
from kubemacpool.admission.allocation import AddressAllocation
from kubemacpool.admission.dependents import admit_dependent
from kubemacpool.admission.handler import BAD_REQUEST, UNTOUCHED, Admission, Denial, Verdict, denial_of, texts_of
from kubemacpool.admission.messages import Field
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.pod_request import UNSEPARATED, Asked, AskingError, Wish, read_asked
from kubemacpool.admission.policies import NamespacePolicies
from kubemacpool.core.addresses import format_address
from kubemacpool.core.parties import POD, Party
from kubemacpool.core.pool import Pool
from kubemacpool.core.requests import AddressRequest, Allocated
from kubemacpool.ports import Clock, Measures
from kubemacpool.wire.networks import NETWORKS_ANNOTATION, is_short_form
from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.pod_review import STICKY, PodReview, decode_pod_review
from kubemacpool.wire.quoting import quoted
from kubemacpool.wire.review import annotation_patch

ATTEMPTS: Final = 64
"""Another place is tried when an interface of the same pod has the first one; a pool so small is not worth more."""


def preferred(pool: Pool, pod: tuple[str, str, str], interface: int, taken: Collection[int]) -> int | None:
    """The address that an interface prefers; None where the pool is too small to have one for it.

    The same arguments give the same address for as long as the pool has the same addresses; it is a locally
    administered one where the pool has any.

    Args:
        pool: where it is looked for.
        pod: the cluster's uid, the pod's namespace and its name.
        interface: its index in the pod's annotation.
        taken: addresses of the pod's other interfaces.
    """
    for attempt in range(ATTEMPTS):
        text = "\0".join((*pod, str(interface), str(attempt)))
        address = pool.derived(int.from_bytes(sha256(text.encode()).digest()[:8]))
        if address not in taken:
            return address
    return None


_log = structlog.get_logger(__name__)


class Place(NamedTuple):
    """Where pods are.

    Attributes:
        cluster_uid: from which the preferred addresses of pods are derived.
        pool: the pool in force, from which they are derived as well.
        pod_network: whether addresses of virtual machines on the pod network count (`wire/pods.py`).
    """

    cluster_uid: str
    pool: Callable[[], Pool]
    pod_network: bool = False


class PodAdmission(Admission[PodReview]):
    """Gives the interfaces of pods their addresses: of new pods, and those that are added to a running one."""

    kind = POD

    def __init__(
        self,
        allocation: AddressAllocation,
        policies: NamespacePolicies,
        owners: Owners,
        place: Place,
        measures: Measures,
        clock: Clock,
    ) -> None:
        super().__init__(measures, clock)
        self._allocation = allocation
        self._policies = policies
        self._owners = owners
        self._place = place

    def decode(self, body: bytes) -> PodReview:
        """Read a review."""
        return decode_pod_review(body)

    async def admit(self, review: PodReview, party: Party) -> Verdict:
        """Fill in what is missing, and judge what the user gave."""
        if review.ending or not any(review.annotations):
            return UNTOUCHED
        family = None
        if review.owner is not None:
            family = await self._owners.party_of_owner(review.namespace, review.owner)
        if family is None:
            return await self._admit_alone(review, party, _asked(review, party))
        if not self._place.pod_network:
            review = _without_default(review)
        return await self._admit_launcher(review, party, family, _asked(review, party))

    async def _admit_launcher(self, review: PodReview, pod: Party, family: Party, asked: Asked) -> Verdict:
        """A launcher pod carries what its virtual machine does, and is given nothing of its own."""
        wishes = [wish for wish in asked.wishes if wish.address is not None]
        if not wishes:
            return _untouched(review)
        request = _request(review, family, asked, wishes, dependent=pod)
        field, labels = Field(asked.where, "mac"), _labels(asked, wishes)
        return await admit_dependent(
            self._allocation, request, field, labels, self._policies.policy_of(review.namespace)
        )

    async def _admit_alone(self, review: PodReview, party: Party, asked: Asked) -> Verdict:
        wishes = asked.wishes
        if not wishes:
            return _untouched(review)._replace(patch=_patch(review, asked, {}) if asked.written else None)
        warnings = _spelling_warnings(asked)
        if asked.selections is None:  # the addresses are in the default network's annotation
            warnings = [*_untouched(review).warnings, *warnings]
        request = _request(review, party, asked, wishes)
        kept = len(asked.kept)
        entries = {place: wish.entry for place, wish in enumerate(wishes, kept) if wish.entry is not None}
        sticky: Mapping[int, int] = {}
        if review.sticky is not None:
            sticky = self._preferred(review, party, request, entries, warnings)
            wanted = tuple(sticky.get(place, address) for place, address in enumerate(request.wanted))
            request = request._replace(wanted=wanted)
        policy = self._policies.policy_of(review.namespace)
        decision, conflicts = await self._allocation.allocate(request, policy.resolution, sticky)
        if not isinstance(decision, Allocated):
            raise denial_of(decision, party, Field(asked.where, "mac"), _labels(asked, wishes), policy)
        addresses = decision.addresses
        if conflicts:
            labels = _labels(asked, wishes)
            for each in conflicts:
                text = messages.conflict(labels, policy.shown(each, review.namespace))
                mac = format_address(addresses[each.interface])
                warnings.append(_instead(text, mac) if each.interface in sticky else messages.admitted(text))
        if policy.has_faults:
            warnings += policy.warnings(mattered=any(each.interface not in sticky for each in conflicts))
        if _log.is_enabled_for(DEBUG):
            given = texts_of(addresses[kept:])
            _log.debug("allocated", object=str(party), addresses=given, dry_run=review.dry_run)
        patch = _patch(review, asked, {entry: addresses[place] for place, entry in entries.items()})
        return Verdict("allocated", patch, warnings)

    def _preferred(
        self, review: PodReview, party: Party, request: AddressRequest, entries: Mapping[int, int], warnings: list[str]
    ) -> Mapping[int, int]:
        """By interface without an address of the user's choice, the one that a sticky pod prefers.

        Args:
            review: the pod.
            party: who would have it.
            request: which addresses it has and wants.
            entries: by interface that is to be given one, its entry, on whose place the address depends: an entry that
                is added to a running pod prefers what it would have preferred from the beginning.
            warnings: gets one about an annotation that has no effect.
        """
        if review.sticky is None or review.sticky == "false" or (review.old is not None and not entries):
            return {}
        if review.sticky != "true":
            fault = f'annotation {STICKY} is {quoted(review.sticky)}, expected "true" or "false"'
            raise Denial("invalid", BAD_REQUEST, f"{party}: {fault}")
        if not review.name:
            warnings.append(f"kubemacpool: {STICKY} has no effect without a name of the pod's own; use a StatefulSet")
            return {}
        taken = {*request.carried, *(address for address in request.wanted if address is not None)}
        found: dict[int, int] = {}
        for place, entry in entries.items():
            pod = (self._place.cluster_uid, review.namespace, review.name)
            address = preferred(self._place.pool(), pod, entry, taken)
            if address is not None:
                found[place] = address
                taken.add(address)
        return found


def _asked(review: PodReview, party: Party) -> Asked:
    try:
        asked = read_asked(review.annotations, review.old, review.namespace)
    except AskingError as error:
        fault = messages.field_fault(party, error.where, str(error))
        raise Denial("invalid", BAD_REQUEST, fault) from error
    if asked.interfaces > MOST_INTERFACES and (asked.wishes or asked.unread):
        fault = messages.too_many_entries(party, asked.where, asked.interfaces)
        raise Denial("invalid", BAD_REQUEST, fault)
    return asked


def _without_default(review: PodReview) -> PodReview:
    old = review.old
    return review._replace(
        annotations=review.annotations._replace(default=None), old=None if old is None else old._replace(default=None)
    )


def _request(
    review: PodReview, party: Party, asked: Asked, wishes: Sequence[Wish], dependent: Party | None = None
) -> AddressRequest:
    """What is to be decided: interfaces that the pod keeps come first."""
    wanted = (*asked.kept, *[wish.address for wish in wishes])
    return AddressRequest(party, wanted, asked.carried, review.dry_run, dependent, review.object_uid)


def _labels(asked: Asked, wishes: Sequence[Wish]) -> list[str]:
    """What people call each interface of the request."""
    return [*asked.kept.values(), *map(asked.label, wishes)]


def _patch(review: PodReview, asked: Asked, given: Mapping[int, int]) -> bytes | None:
    """What makes the annotation have these addresses, by entry, and those that it lost or that nobody could read."""
    if asked.selections is None:
        return None
    addresses = {**asked.written, **given} if asked.written else given
    macs = {entry: format_address(address) for entry, address in addresses.items()}
    value = asked.selections.filled(review.namespace, macs)
    return None if value is None else annotation_patch(NETWORKS_ANNOTATION, value)


def _untouched(review: PodReview) -> Verdict:
    """Nothing to do; in the short form there is nothing that could be done."""
    networks = review.annotations.networks
    if networks is None or networks.isspace() or not is_short_form(networks):
        return UNTOUCHED
    return UNTOUCHED._replace(warnings=[messages.short_form_warning(networks)])


def _instead(conflict: str, mac: str) -> str:
    return f"kubemacpool: {conflict}, so the sticky address is {mac} this time"


def _spelling_warnings(asked: Asked) -> list[str]:
    """Addresses that we understand and CNI plugins do not, where we do not write: the pod would not start."""
    rewritten = asked.written.values()
    return [
        f"kubemacpool: mac {wish.text} is written without separators, which CNI plugins do not understand; "
        f"write {format_address(int(wish.text, 16))}"
        for wish in asked.wishes
        if len(wish.text) == UNSEPARATED and wish.address not in rewritten
    ]
