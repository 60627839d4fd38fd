"""Answering the API server's question whether a VirtualMachine may be as it is, and with which addresses.

The object itself is the record: an address once given stays with it over stop, start, restart and migration.
"""

from collections.abc import Callable, Mapping
from logging import DEBUG
from typing import Final, NamedTuple

import structlog

from kubemacpool.admission import messages
from kubemacpool.admission.allocation import AddressAllocation, Resolution
from kubemacpool.admission.dependents import admit_dependent
from kubemacpool.admission.handler import BAD_REQUEST, UNTOUCHED, Admission, Denial, Verdict, denial_of, texts_of
from kubemacpool.admission.messages import Field
from kubemacpool.admission.owners import Owners
from kubemacpool.admission.policies import NamespacePolicies, Policy
from kubemacpool.core.addresses import AddressError, format_address, parse_address
from kubemacpool.core.parties import VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE, Party
from kubemacpool.core.requests import AddressRequest, Allocated
from kubemacpool.ports import Clock, Measures, RetryLaterError
from kubemacpool.wire.machine_review import (
    MAC_POLICY,
    OLD_FINALIZER,
    MachineInterface,
    MachineReview,
    decode_instance_review,
    decode_machine_review,
    finalizer_patch,
    interface_patch,
)
from kubemacpool.wire.machines import NOT_OURS, NetworkKind
from kubemacpool.wire.objects import MOST_INTERFACES
from kubemacpool.wire.quoting import listed, quoted

_log = structlog.get_logger(__name__)

_REMEDY: Final = "correct it (in YAML, an address between quotation marks is never taken for a number)"


class KnownMachines(NamedTuple):
    """Whether every VirtualMachine is known, and what to call when one exists where none was known to."""

    complete: Callable[[], bool]
    look_soon: Callable[[], None]


class MachineAdmission(Admission[MachineReview]):
    """Gives the interfaces of virtual machines their addresses."""

    kind = VIRTUAL_MACHINE
    spec = "spec.template.spec"
    """Where the interfaces and networks are."""

    def __init__(
        self,
        allocation: AddressAllocation,
        policies: NamespacePolicies,
        followed: KnownMachines,
        kinds: frozenset[NetworkKind],
        measures: Measures,
        clock: Clock,
    ) -> None:
        """Serve the interfaces that are bound to these kinds of network."""
        super().__init__(measures, clock)
        self._allocation = allocation
        self._policies = policies
        self._followed = followed
        self._kinds = kinds
        self._passed_over = NOT_OURS - kinds
        self._field = Field(f"{self.spec}.domain.devices.interfaces", "macAddress")

    def decode(self, body: bytes) -> MachineReview:
        """Read a review."""
        return decode_machine_review(body)

    async def admit(self, review: MachineReview, party: Party) -> Verdict:
        """Fill in what is missing, and judge what the user gave."""
        if review.deleting:
            return UNTOUCHED if review.old_finalizer is None else _freed(party, review.old_finalizer)
        self._check_counts(review, party)
        if review.fault:
            raise Denial("invalid", BAD_REQUEST, messages.field_fault(party, "spec", f"{review.fault}; {_REMEDY}"))
        self._check_shape(review, party)
        had = self._addresses(review.old_interfaces)
        wanted = self._wanted(review, had, party)
        if not wanted:
            return UNTOUCHED
        self._check_followed()
        carried = frozenset(had.values())
        request = AddressRequest(party, tuple(wanted.values()), carried, review.dry_run, uid=review.object_uid)
        policy = self._policies.policy_of(review.namespace)
        resolution = _resolution(review, party, policy)
        decision, conflicts = await self._allocation.allocate(request, resolution)
        labels = [_label(review.interfaces[index]) for index in wanted]
        if not isinstance(decision, Allocated):
            raise denial_of(decision, party, self._field, labels, policy)
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
            text = messages.conflict(labels, policy.shown(each, review.namespace))
            mac = macs[each.interface]
            warnings.append(_replaced(text, mac) if each.interface in replaced else messages.admitted(text))
        if _log.is_enabled_for(DEBUG):
            _log.debug("allocated", object=str(party), addresses=texts_of(decision.addresses), dry_run=review.dry_run)
        return Verdict("allocated", interface_patch(additions, self._field.where) if additions else None, warnings)

    def _wanted(self, review: MachineReview, had: Mapping[str, int], party: Party) -> dict[int, int | None]:
        """By the index of each interface that needs an address or has one: the one it has, had, or None for any."""
        wanted: dict[int, int | None] = {}
        faults: list[str] = []
        for index, interface in enumerate(review.interfaces):
            if interface.network in self._passed_over:
                continue
            if interface.mac:
                try:
                    wanted[index] = parse_address(interface.mac)
                except AddressError as error:
                    faults.append(f"{_label(interface)}: macAddress {quoted(interface.mac)} is {error}")
            elif interface.network in self._kinds and not interface.absent:
                wanted[index] = None
        if faults:
            raise Denial("invalid", BAD_REQUEST, messages.field_fault(party, self._field.where, listed(faults)))
        spoken_for = set(wanted.values())
        for index in [index for index, address in wanted.items() if address is None]:
            before = had.get(review.interfaces[index].name)
            if before is not None and before not in spoken_for:
                wanted[index] = before
        return wanted

    def _check_followed(self) -> None:
        """Nobody knows who has which address before all machines are known.

        Raises:
            RetryLaterError: they are not yet.
        """
        if not self._followed.complete():
            self._followed.look_soon()
            raise RetryLaterError("the list of VirtualMachines is not complete yet")

    def _check_counts(self, review: MachineReview, party: Party) -> None:
        for where, count in zip((self._field.where, f"{self.spec}.networks"), review.counts, strict=True):
            if count > MOST_INTERFACES:
                raise Denial("invalid", BAD_REQUEST, messages.too_many_entries(party, where, count))

    def _check_shape(self, review: MachineReview, party: Party) -> None:
        """Names are unique, and every interface has its network; else nobody could say which address is whose."""
        faults: list[str] = []
        names: set[str] = set()
        for interface in review.interfaces:
            if interface.name in names:
                faults.append(f"{_label(interface)} is there twice; give each interface a name of its own")
            elif interface.network is NetworkKind.MISSING:
                faults.append(f"{_label(interface)} has no network of that name in {self.spec}.networks; add it")
            names.add(interface.name)
        if faults:
            raise Denial("invalid", BAD_REQUEST, messages.field_fault(party, self._field.where, listed(faults)))

    def _addresses(self, interfaces: tuple[MachineInterface, ...]) -> dict[str, int]:
        """By name, what interfaces had; what cannot be read is nobody's."""
        found: dict[str, int] = {}
        for interface in interfaces:
            if interface.mac and interface.network not in self._passed_over:
                try:
                    found[interface.name] = parse_address(interface.mac)
                except AddressError:
                    continue
        return found


class InstanceAdmission(MachineAdmission):
    """Judges VirtualMachineInstances that are created.

    One that stands alone is served as a machine is. One that virt-controller makes for a machine carries what that one
    does, which the party has already: it is let through without a write, and is given nothing of its own. What the
    machine has no address for, it would have another one for after each start.
    """

    kind = VIRTUAL_MACHINE_INSTANCE
    spec = "spec"

    def __init__(  # noqa: PLR0913, PLR0917 (what a machine's takes, and the kinship)
        self,
        allocation: AddressAllocation,
        policies: NamespacePolicies,
        followed: KnownMachines,
        kinds: frozenset[NetworkKind],
        owners: Owners,
        measures: Measures,
        clock: Clock,
    ) -> None:
        """Serve the interfaces that are bound to these kinds of network."""
        super().__init__(allocation, policies, followed, kinds, measures, clock)
        self._owners = owners

    def decode(self, body: bytes) -> MachineReview:
        """Read a review."""
        return decode_instance_review(body)

    async def admit(self, review: MachineReview, party: Party) -> Verdict:
        """Find out whose it is, and judge it as the machine's or as one that stands alone."""
        if review.owner is not None:
            family = await self._owners.party_of_owner(review.namespace, review.owner)
            if family is not None:
                return await self._admit_for_machine(review, party, family)
        return await super().admit(review, party)

    async def _admit_for_machine(self, review: MachineReview, instance: Party, family: Party) -> Verdict:
        given = self._given(review)
        if not given:
            return UNTOUCHED
        self._check_followed()
        request = AddressRequest(family, tuple(given.values()), dry_run=review.dry_run, dependent=instance)
        labels = [_label(review.interfaces[index]) for index in given]
        policy = self._policies.policy_of(review.namespace)
        return await admit_dependent(self._allocation, request, self._field, labels, policy)

    def _given(self, review: MachineReview) -> dict[int, int]:
        """By interface, the addresses that can be read, each once: what is wrong is wrong in the machine too."""
        given: dict[int, int] = {}
        for index, interface in enumerate(review.interfaces):
            address = self._addresses((interface,)).get(interface.name)
            if address is not None and address not in given.values():
                given[index] = address
        return given


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


def _replaced(conflict: str, mac: str) -> str:
    return f"kubemacpool: {conflict}; replaced by {mac}, because {MAC_POLICY} is reassign"


def _label(interface: MachineInterface) -> str:
    return f"interface {quoted(interface.name)}"
