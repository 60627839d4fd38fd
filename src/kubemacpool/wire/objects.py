"""What every Kubernetes object has, and what a followed one tells: the addresses it carries and its controller."""

from collections.abc import Iterable
from typing import Final, Generic, NamedTuple, TypeVar

import msgspec

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.quoting import listed, quoted

ItemT = TypeVar("ItemT")


class ObjectIdentity(NamedTuple):
    """Which object: `uid` tells apart two that had the same name one after the other."""

    namespace: str
    name: str
    uid: str


class StoredMetadata(msgspec.Struct, gc=False, rename="camel"):
    """What of `metadata` tells which object it is, once it is stored (ObjectMeta of meta/v1)."""

    name: str
    uid: str
    resource_version: str
    namespace: str = ""


class Decoded(NamedTuple, Generic[ItemT]):
    """One object as a watch reads it.

    Attributes:
        identity: which object.
        resource_version: of the object as it was read.
        item: what was read of it; None where it is of no interest.
        remnant: what is told instead of an object that was of interest before and is so no longer, though it exists
            still; None where it is as good as gone.
    """

    identity: ObjectIdentity
    resource_version: int
    item: ItemT | None
    remnant: ItemT | None = None


class UnreadableObjectError(Exception):
    """An object whose identity could be read, but whose content is not of the expected shape."""

    def __init__(self, identity: ObjectIdentity, resource_version: int, reason: str) -> None:
        super().__init__(f"{identity.namespace}/{identity.name}: {reason}")
        self.identity = identity
        self.resource_version = resource_version
        self.reason = reason


_LONGEST_NUMBER: Final = 20
"""As long as the largest resourceVersion, one of 64 bits."""


def read_resource_version(text: str) -> int | None:
    """A resourceVersion as a number, which KEP-5504 promises it to be; None for anything else."""
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= _LONGEST_NUMBER else None


def identify(metadata: StoredMetadata) -> tuple[ObjectIdentity, int]:
    """Which object it is, and its resourceVersion.

    Raises:
        msgspec.ValidationError: when that is no number.
    """
    version = read_resource_version(metadata.resource_version)
    if version is None:
        raise msgspec.ValidationError(f"resourceVersion is {quoted(metadata.resource_version)}, which is no number")
    return ObjectIdentity(metadata.namespace, metadata.name, metadata.uid), version


class _Stored(msgspec.Struct, gc=False):
    metadata: StoredMetadata


_objects: Final = msgspec.json.Decoder(_Stored)


def decode_stored(raw: bytes) -> Decoded[str]:
    """Read which object it is; its name stands for the rest.

    Raises:
        msgspec.ValidationError: when it is not an object with metadata.
    """
    identity, version = identify(_objects.decode(raw).metadata)
    return Decoded(identity, version, identity.name)


KUBEVIRT: Final = "kubevirt.io"
"""The API group of virtual machines."""


MOST_INTERFACES: Final = 256
"""Of one object. KubeVirt's schema allows a virtual machine as many networks (maxItems), each with one interface, and
its launcher pods have no more; nobody gives a pod a tenth of that. The schema is looked at after us, and for pods there
is none: without a bound, the addresses of a few objects might fill the Lease (`MOST_RESERVED`)."""


class CarriedAddresses(NamedTuple):
    """What an object carries.

    Attributes:
        addresses: each once, in the object's order.
        fault: what of it could not be read, or an empty text.
        owner: its controller, where that is an object of KubeVirt.
        attached: what its secondary interfaces are reported to have (a pod's network-status), each once; None where
            nothing is reported, or nothing that can be read. An interface that is reported and has no address of its
            own makes no difference: an empty row says that the object has no such interface any more.
    """

    addresses: tuple[int, ...]
    fault: str = ""
    owner: OwnerReference | None = None
    attached: tuple[int, ...] | None = None


class Reference(msgspec.Struct, gc=False, rename="camel"):
    """An entry of metadata.ownerReferences (meta/v1)."""

    api_version: str = ""
    kind: str = ""
    name: str = ""
    uid: str = ""
    controller: bool | None = None


def controller_of(references: Iterable[Reference] | None, kind: str) -> OwnerReference | None:
    """The controller of an object, if it is of this kind of KubeVirt."""
    for reference in references or ():
        if reference.controller and reference.kind == kind and reference.api_version.startswith(f"{KUBEVIRT}/"):
            return OwnerReference(reference.kind, reference.name, reference.uid)
    return None


def read_addresses(given: Iterable[tuple[str, str]]) -> tuple[tuple[int, ...], str]:
    """The addresses that can be read, each once, and what is wrong with the others.

    Args:
        given: what an address is called there, and its text.
    """
    addresses: dict[int, None] = {}
    faults: list[str] = []
    for label, text in given:
        try:
            addresses[parse_address(text)] = None
        except AddressError as error:
            faults.append(f"{label}: mac {quoted(text)} is {error}")
    return tuple(addresses), listed(faults)


def too_many(count: int) -> str:
    """What is wrong with an object in the cluster that has more interfaces than are taken in."""
    return f"the list has {count} entries; only the first {MOST_INTERFACES} are taken in"
