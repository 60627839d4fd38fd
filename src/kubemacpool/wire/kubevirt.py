"""VirtualMachines and their instances as a watch shows them: which addresses each carries.

Source: kubevirt.io/v1, VirtualMachineInstanceSpec: domain.devices.interfaces[].macAddress; an instance that has ended
(status.phase Succeeded or Failed) runs no more.
"""

from collections.abc import Sequence
from typing import Final

import msgspec

from kubemacpool.core.parties import VIRTUAL_MACHINE
from kubemacpool.wire.carrying import CarriedAddresses, Reference, controller_of, read_addresses
from kubemacpool.wire.objects import Decoded, ObjectIdentity, UnreadableObjectError
from kubemacpool.wire.quoting import quoted

ENDED: Final = frozenset({"Succeeded", "Failed"})


class Metadata(msgspec.Struct, gc=False, rename="camel"):
    """Of an object as it is stored."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    owner_references: list[Reference] | None = None


class Interface(msgspec.Struct, gc=False, rename="camel"):
    """What tells one interface from another, and its address."""

    name: str = ""
    mac_address: str | None = None


class _Devices(msgspec.Struct, gc=False):
    interfaces: list[Interface] | None = None


class _Domain(msgspec.Struct, gc=False):
    devices: _Devices | None = None


class _InstanceSpec(msgspec.Struct, gc=False):
    domain: _Domain | None = None


class _Template(msgspec.Struct, gc=False):
    spec: _InstanceSpec | None = None


class _MachineSpec(msgspec.Struct, gc=False):
    template: _Template | None = None


class _Status(msgspec.Struct, gc=False):
    phase: str | None = None


class _Stored(msgspec.Struct, gc=False):
    metadata: Metadata


class _Machine(msgspec.Struct, gc=False):
    spec: _MachineSpec | None = None


class _Instance(msgspec.Struct, gc=False):
    spec: _InstanceSpec | None = None
    status: _Status | None = None


_stored: Final = msgspec.json.Decoder(_Stored)
_machines: Final = msgspec.json.Decoder(_Machine)
_instances: Final = msgspec.json.Decoder(_Instance)


def decode_machine(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
    """Read the addresses that a VirtualMachine carries; no item for one without any.

    Raises:
        UnreadableObjectError: when its spec is not of the expected shape, so that nothing is known of its addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _stored.decode(raw).metadata
    try:
        spec = _machines.decode(raw).spec
    except msgspec.ValidationError as error:
        raise _unreadable(metadata, error) from error
    template = spec.template if spec is not None else None
    return _decoded(metadata, template.spec if template is not None else None)


def decode_instance(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
    """Read the addresses that a VirtualMachineInstance carries; no item for one without any, or that has ended.

    Raises:
        UnreadableObjectError: when its spec is not of the expected shape, so that nothing is known of its addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _stored.decode(raw).metadata
    try:
        instance = _instances.decode(raw)
    except msgspec.ValidationError as error:
        raise _unreadable(metadata, error) from error
    ended = instance.status is not None and instance.status.phase in ENDED
    return _decoded(metadata, None if ended else instance.spec)


def _decoded(metadata: Metadata, spec: _InstanceSpec | None) -> Decoded[CarriedAddresses]:
    identity, version = identify(metadata)
    addresses, fault = read_addresses(
        (f"interface {quoted(interface.name)}", interface.mac_address or "") for interface in _interfaces(spec)
    )
    if not addresses and not fault:
        return Decoded(identity, version, None)
    owner = controller_of(metadata.owner_references, VIRTUAL_MACHINE)
    return Decoded(identity, version, CarriedAddresses(addresses, fault, owner))


def _interfaces(spec: _InstanceSpec | None) -> Sequence[Interface]:
    domain = spec.domain if spec is not None else None
    devices = domain.devices if domain is not None else None
    return (devices.interfaces if devices is not None else None) or ()


def identify(metadata: Metadata) -> tuple[ObjectIdentity, int]:
    """Which object it is, and its resourceVersion."""
    return ObjectIdentity(metadata.namespace, metadata.name, metadata.uid), int(metadata.resource_version)


def _unreadable(metadata: Metadata, error: msgspec.ValidationError) -> UnreadableObjectError:
    return UnreadableObjectError(*identify(metadata), str(error))
