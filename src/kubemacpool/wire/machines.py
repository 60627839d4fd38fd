"""VirtualMachines and their instances as a watch shows them: which addresses each carries.

Source: kubevirt.io/v1, VirtualMachineInstanceSpec: domain.devices.interfaces[].macAddress; an instance that has ended
(status.phase Succeeded or Failed) runs no more.

An address that is overlooked may be given to somebody else. So what is of an unexpected shape hides as little as
possible: each interface is read by itself, and an instance whose phase cannot be read has not ended.
"""

import enum
from collections.abc import Callable, Iterable, Mapping
from typing import Final, TypeVar

import msgspec

from kubemacpool.core.parties import VIRTUAL_MACHINE
from kubemacpool.wire.objects import (
    MOST_INTERFACES,
    CarriedAddresses,
    Decoded,
    Reference,
    StoredMetadata,
    UnreadableObjectError,
    controller_of,
    identify,
    read_addresses,
    too_many,
)
from kubemacpool.wire.quoting import listed, quoted_json

ENDED: Final = frozenset({"Succeeded", "Failed"})
"""The phases, of instances and of migrations, that no other one follows."""

NULL: Final = msgspec.Raw(b"null")
"""A part that is missing, before it is read."""

EntryT = TypeVar("EntryT")


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    owner_references: list[Reference] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata
    spec: msgspec.Raw = NULL
    status: msgspec.Raw = NULL


class NetworkKind(enum.Enum):
    """What an interface is bound to."""

    MULTUS = "multus"
    POD_MASQUERADE = "the pod network, by masquerade"
    POD_OTHER = "the pod network, by another binding"
    UNKNOWN = "a network of a kind that is not known here"
    MISSING = "nothing of its name"


NOT_OURS: Final = frozenset({NetworkKind.POD_OTHER})
"""Where addresses are nobody's business but the network's, unless we are told to serve it: bound to the pod network by
bridge, l2bridge or passt, a machine has what the network gives it, and the primary user-defined networks of
OVN-Kubernetes, which are apart from each other, give addresses that are made from the IP address (`0a:58:…`)."""


class Network(msgspec.Struct, gc=False):
    """What belongs to an interface of its name."""

    name: str = ""
    pod: dict[str, object] | None = None
    multus: dict[str, object] | None = None


class _Interface(msgspec.Struct, gc=False, rename="camel"):
    name: msgspec.Raw = msgspec.Raw(b'""')
    mac_address: str | None = None
    masquerade: msgspec.Raw = NULL


class _Devices(msgspec.Struct, gc=False):
    interfaces: list[msgspec.Raw] | None = None


class _Domain(msgspec.Struct, gc=False):
    devices: _Devices | None = None


class _InstanceSpec(msgspec.Struct, gc=False):
    domain: _Domain | None = None
    networks: list[msgspec.Raw] | None = None


class _Template(msgspec.Struct, gc=False):
    spec: _InstanceSpec | None = None


class _MachineSpec(msgspec.Struct, gc=False):
    template: _Template | None = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None


_objects: Final = msgspec.json.Decoder(_Object)
_machine_specs: Final = msgspec.json.Decoder(_MachineSpec | None)
_instance_specs: Final = msgspec.json.Decoder(_InstanceSpec | None)
_interfaces: Final = msgspec.json.Decoder(_Interface)
_networks: Final = msgspec.json.Decoder(Network)
_texts: Final = msgspec.json.Decoder(str)
_statuses: Final = msgspec.json.Decoder(_Status | None)


DecodeObject = Callable[[bytes | msgspec.Raw], Decoded[CarriedAddresses]]


def decoders(passed_over: frozenset[NetworkKind]) -> tuple[DecodeObject, DecodeObject]:
    """What reads VirtualMachines, and what reads their instances.

    Args:
        passed_over: on what kinds of network the addresses of interfaces do not count.
    """

    def machine(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
        return decode_machine(raw, passed_over)

    def instance(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
        return decode_instance(raw, passed_over)

    return machine, instance


def decode_machine(
    raw: bytes | msgspec.Raw, passed_over: frozenset[NetworkKind] = NOT_OURS
) -> Decoded[CarriedAddresses]:
    """Read the addresses that a VirtualMachine carries; one without any is told as well, for others may belong to it.

    Args:
        raw: the object.
        passed_over: on what kinds of network the addresses of interfaces do not count.

    Raises:
        UnreadableObjectError: when its spec is not of the expected shape, so that nothing is known of its addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    machine = _objects.decode(raw)
    try:
        spec = _machine_specs.decode(machine.spec)
    except msgspec.ValidationError as error:
        raise _unreadable(machine, error) from error
    template = spec.template if spec is not None else None
    return _decoded(machine, template.spec if template is not None else None, passed_over)


def decode_instance(
    raw: bytes | msgspec.Raw, passed_over: frozenset[NetworkKind] = NOT_OURS
) -> Decoded[CarriedAddresses]:
    """Read the addresses that a VirtualMachineInstance carries; none where it has ended, but others may belong to it.

    Args:
        raw: the object.
        passed_over: on what kinds of network the addresses of interfaces do not count.

    Raises:
        UnreadableObjectError: when its spec is not of the expected shape, so that nothing is known of its addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    instance = _objects.decode(raw)
    if _has_ended(instance.status):
        return _decoded(instance, None, passed_over)
    try:
        spec = _instance_specs.decode(instance.spec)
    except msgspec.ValidationError as error:
        raise _unreadable(instance, error) from error
    return _decoded(instance, spec, passed_over)


def read_entries(
    label: str, entries: Iterable[msgspec.Raw] | None, decoder: "msgspec.json.Decoder[EntryT]"
) -> tuple[list[EntryT], list[str]]:
    """Read the entries of a list one by one: those that can be read, and what is wrong with the others.

    Args:
        label: what an entry is called in messages.
        entries: as they were written; None is an empty list.
        decoder: reads one.
    """
    found: list[EntryT] = []
    faults: list[str] = []
    for index, entry in enumerate(entries or ()):
        try:
            found.append(decoder.decode(entry))
        except (msgspec.DecodeError, UnicodeError) as error:
            faults.append(f"{label} {index}: {quoted_json(bytes(entry))} is unreadable ({error})")
    return found, faults


def network_kind(network: Network | None, *, masquerade: bool) -> NetworkKind:
    """What an interface is bound to, by the network of its name and whether its binding is masquerade."""
    if network is None:
        return NetworkKind.MISSING
    if network.multus is not None:
        return NetworkKind.MULTUS
    if masquerade:
        return NetworkKind.POD_MASQUERADE
    return NetworkKind.UNKNOWN if network.pod is None else NetworkKind.POD_OTHER


def _has_ended(status: msgspec.Raw) -> bool:
    try:
        read = _statuses.decode(status)
    except (msgspec.DecodeError, UnicodeError):
        return False
    return read is not None and read.phase in ENDED


def _decoded(
    stored: _Object, spec: _InstanceSpec | None, passed_over: frozenset[NetworkKind]
) -> Decoded[CarriedAddresses]:
    identity, version = identify(stored.metadata)
    domain = spec.domain if spec is not None else None
    devices = domain.devices if domain is not None else None
    entries = (devices.interfaces if devices is not None else None) or []
    interfaces, faults = read_entries("interface", entries[:MOST_INTERFACES], _interfaces)
    if len(entries) > MOST_INTERFACES:
        faults.insert(0, too_many(len(entries)))
    given = [each for each in interfaces if each.mac_address]
    if given and spec is not None and spec.networks:
        # One that cannot be read, or is beyond those that an object may have, excuses no address.
        networks, _ = read_entries("network", spec.networks[:MOST_INTERFACES], _networks)
        by_name = {network.name: network for network in networks}
        given = [each for each in given if _kind(each, by_name) not in passed_over]
    addresses, fault = read_addresses((f"interface {_named(each.name)}", each.mac_address or "") for each in given)
    fault = "; ".join(filter(None, (listed(faults), fault)))
    owner = controller_of(stored.metadata.owner_references, VIRTUAL_MACHINE)
    return Decoded(identity, version, CarriedAddresses(addresses, fault, owner))


def _kind(interface: _Interface, networks: Mapping[str, Network]) -> NetworkKind:
    try:
        network = networks.get(_texts.decode(interface.name))
    except (msgspec.DecodeError, UnicodeError):
        network = None
    return network_kind(network, masquerade=bytes(interface.masquerade) != bytes(NULL))


def _named(name: msgspec.Raw) -> str:
    return quoted_json(bytes(name).removeprefix(b'"').removesuffix(b'"'))


def _unreadable(stored: _Object, error: msgspec.ValidationError) -> UnreadableObjectError:
    return UnreadableObjectError(*identify(stored.metadata), f"spec: {error}")
