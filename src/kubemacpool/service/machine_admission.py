"""Answering the API server's question whether a VirtualMachine may be as it is, and with which addresses.

The object itself is the record: an address once given stays with it over stop, start, restart and migration.
"""

from collections.abc import Callable, Mapping
from typing import Final, NamedTuple

import structlog

from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.decisions import AddressRequest, Granted
from kubemacpool.core.parties import VIRTUAL_MACHINE, Party
from kubemacpool.ports.clock import Clock
from kubemacpool.ports.deciding import AddressDecider, NotDecidingError
from kubemacpool.ports.measures import Measures
from kubemacpool.service import refusing
from kubemacpool.service.admission import BAD_REQUEST, UNTOUCHED, Admission, Denial, Verdict, denial_of
from kubemacpool.service.conflicts import Resolution, decide
from kubemacpool.service.policies import NamespacePolicies, Policy
from kubemacpool.service.refusing import Field
from kubemacpool.wire.carrying import MOST_INTERFACES
from kubemacpool.wire.machine_review import (
    MAC_POLICY,
    OLD_FINALIZER,
    MachineInterface,
    MachineReview,
    NetworkKind,
    decode_machine_review,
    finalizer_patch,
    interface_patch,
)
from kubemacpool.wire.quoting import first_of, listed, quoted

_log = structlog.get_logger(__name__)

_FIELD: Final = Field("spec.template.spec.domain.devices.interfaces", "macAddress")
_REMEDY: Final = "correct it (in YAML, an address between quotation marks is never taken for a number)"


class Followed(NamedTuple):
    """Whether every VirtualMachine is known, and whom to tell that one exists where none was known to."""

    complete: Callable[[], bool]
    look_soon: Callable[[], None]


class MachineAdmission(Admission[MachineReview]):
    """Gives the interfaces of virtual machines their addresses."""

    kind = VIRTUAL_MACHINE

    def __init__(
        self,
        decider: AddressDecider,
        policies: NamespacePolicies,
        followed: Followed,
        kinds: frozenset[NetworkKind],
        measures: Measures,
        clock: Clock,
    ) -> None:
        """Serve the interfaces that are bound to these kinds of network."""
        super().__init__(measures, clock)
        self._decider = decider
        self._policies = policies
        self._followed = followed
        self._kinds = kinds

    def decode(self, body: bytes) -> MachineReview:
        """Read a review."""
        return decode_machine_review(body)

    async def admit(self, review: MachineReview, party: Party) -> Verdict:
        """Fill in what is missing, and judge what the user gave."""
        if review.deleting:
            return UNTOUCHED if review.old_finalizer is None else _freed(party, review.old_finalizer)
        if review.fault:
            raise Denial("invalid", BAD_REQUEST, refusing.field_fault(party, "spec", f"{review.fault}; {_REMEDY}"))
        _check_shape(review, party)
        had = _addresses(review.old_interfaces)
        wanted = self._wanted(review, had, party)
        if not wanted:
            return UNTOUCHED
        if not self._followed.complete():
            self._followed.look_soon()
            raise NotDecidingError("the list of VirtualMachines is not complete yet")
        request = AddressRequest(party, tuple(wanted.values()), frozenset(had.values()), review.dry_run)
        policy = self._policies.policy_of(review.namespace)
        resolution = _resolution(review, party, policy)
        decision, conflicts = await decide(self._decider, request, lambda _: resolution)
        labels = [_label(review.interfaces[index]) for index in wanted]
        if not isinstance(decision, Granted):
            raise denial_of(decision, party, _FIELD, labels, policy.fault)
        macs = [format_address(address) for address in decision.addresses]
        replaced = {each.interface for each in conflicts} if resolution is Resolution.REPLACE else set()
        admitted = resolution is Resolution.ADMIT and bool(conflicts)
        additions = {
            index: mac
            for place, (index, mac) in enumerate(zip(wanted, macs, strict=True))
            if place in replaced or not review.interfaces[index].mac
        }
        warnings = policy.warnings(mattered=admitted)
        for each in conflicts:
            text = refusing.conflict(labels, each)
            how = f"replaced by {macs[each.interface]}" if each.interface in replaced else "admitted"
            why = f"{MAC_POLICY} is reassign" if each.interface in replaced else "the conflict policy is warn"
            warnings.append(f"kubemacpool: {text}; {how}, because {why}")
        _log.debug("granted", object=str(party), addresses=first_of(macs), dry_run=review.dry_run)
        return Verdict("granted", interface_patch(additions) if additions else None, warnings)

    def _wanted(self, review: MachineReview, had: Mapping[str, int], party: Party) -> dict[int, int | None]:
        """By the index of each interface that needs an address or has one: the one it has, had, or None for any."""
        wanted: dict[int, int | None] = {}
        faults: list[str] = []
        for index, interface in enumerate(review.interfaces):
            if interface.mac:
                try:
                    wanted[index] = parse_address(interface.mac)
                except AddressError as error:
                    faults.append(f"{_label(interface)}: macAddress {quoted(interface.mac)} is {error}")
            elif interface.network in self._kinds and not interface.absent:
                wanted[index] = None
        if faults:
            raise Denial("invalid", BAD_REQUEST, refusing.field_fault(party, _FIELD.where, listed(faults)))
        spoken_for = set(wanted.values())
        for index in [index for index, address in wanted.items() if address is None]:
            before = had.get(review.interfaces[index].name)
            if before is not None and before not in spoken_for:
                wanted[index] = before
        return wanted


def _resolution(review: MachineReview, party: Party, policy: Policy) -> Resolution:
    if review.operation == "CREATE" and review.mac_policy is not None and review.mac_policy != "keep":
        if review.mac_policy != "reassign":
            fault = f"annotation {MAC_POLICY} is {quoted(review.mac_policy)}, expected keep or reassign"
            raise Denial("invalid", BAD_REQUEST, f"{party}: {fault}")
        return Resolution.REPLACE
    return policy.resolution


def _freed(party: Party, old_finalizer: int) -> Verdict:
    """A machine that is being deleted, and that nobody else would let go."""
    _log.info("old finalizer taken away", object=str(party), finalizer=OLD_FINALIZER)
    return UNTOUCHED._replace(patch=finalizer_patch(old_finalizer))


def _label(interface: MachineInterface) -> str:
    return f"interface {quoted(interface.name)}"


def _check_shape(review: MachineReview, party: Party) -> None:
    """Names are unique, and every interface has its network; else nobody could say which address is whose."""
    if len(review.interfaces) > MOST_INTERFACES:
        fault = refusing.too_many_entries(party, _FIELD.where, len(review.interfaces))
        raise Denial("invalid", BAD_REQUEST, fault)
    faults: list[str] = []
    names: set[str] = set()
    for interface in review.interfaces:
        if interface.name in names:
            faults.append(f"{_label(interface)} is there twice; give each interface a name of its own")
        elif interface.network is NetworkKind.MISSING:
            faults.append(f"{_label(interface)} has no network of that name in spec.template.spec.networks; add it")
        names.add(interface.name)
    if faults:
        raise Denial("invalid", BAD_REQUEST, refusing.field_fault(party, _FIELD.where, listed(faults)))


def _addresses(interfaces: tuple[MachineInterface, ...]) -> dict[str, int]:
    """By name, what interfaces had; what cannot be read is nobody's."""
    found: dict[str, int] = {}
    for interface in interfaces:
        if interface.mac:
            try:
                found[interface.name] = parse_address(interface.mac)
            except AddressError:
                continue
    return found
