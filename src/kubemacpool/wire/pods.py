"""Pods as a watch on their metadata shows them: which addresses each carries, and which its interfaces have."""

from collections.abc import Callable, Container
from typing import Final

import msgspec

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.parties import VIRTUAL_MACHINE_INSTANCE
from kubemacpool.wire.networks import (
    DEFAULT_NETWORK_ANNOTATION,
    NETWORKS_ANNOTATION,
    NetworkSelections,
    NetworksError,
    count_of,
    entries_of,
    given_addresses,
    parse_networks,
)
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

STATUS_ANNOTATION: Final = "k8s.v1.cni.cncf.io/network-status"
"""What the interfaces of a pod have, told by Multus when they are made, and again when that changes (NPWG standard)."""

_MADE_FROM_IP: Final = 0x0A58
"""The first two octets of the addresses that OVN-Kubernetes makes from an interface's IP address. Networks that are
apart from each other may have the same IP addresses, and then have the same of these, on purpose."""


class _Annotations(msgspec.Struct, gc=False):
    networks: str | None = msgspec.field(name=NETWORKS_ANNOTATION, default=None)
    default_network: str | None = msgspec.field(name=DEFAULT_NETWORK_ANNOTATION, default=None)
    status: str | None = msgspec.field(name=STATUS_ANNOTATION, default=None)


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None
    owner_references: list[Reference] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


class _Attachment(msgspec.Struct, gc=False):
    """One interface, as network-status has it."""

    name: str | None = None
    mac: str | None = None
    default: bool | None = None


_objects: Final = msgspec.json.Decoder(_Object)
_NO_ANNOTATIONS: Final = _Annotations()
_NOTHING: Final = CarriedAddresses(())
_attachments: Final = msgspec.json.Decoder(list[_Attachment] | None)


def pod_decoder(*, pod_network: bool) -> Callable[[bytes | msgspec.Raw], Decoded[CarriedAddresses]]:
    """What reads pods.

    Args:
        pod_network: whether addresses of virtual machines on the pod network count. Only then does a launcher pod carry
            what its `default-network` says: KubeVirt has there the address of the machine's interface on the primary
            network, which in another primary network of OVN-Kubernetes may be somebody else's too.
    """

    def decode(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
        return decode_pod(raw, pod_network=pod_network)

    return decode


def decode_pod(raw: bytes | msgspec.Raw, *, pod_network: bool = False) -> Decoded[CarriedAddresses]:
    """Read the addresses that a pod carries; no item for a pod without any, which may have interfaces with some still.

    Raises:
        UnreadableObjectError: when an annotation cannot be read, so that nothing is known of the pod's addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    identity, version = identify(metadata)
    annotations = metadata.annotations
    owner = controller_of(metadata.owner_references, VIRTUAL_MACHINE_INSTANCE)
    if annotations is None or annotations == _NO_ANNOTATIONS:  # most pods: they concern nobody
        carried = CarriedAddresses((), owner=owner) if owner is not None else _NOTHING
        return Decoded(identity, version, None, remnant=carried)
    try:
        networks = _parsed(annotations.networks)
        default = _parsed(annotations.default_network) if owner is None or pod_network else None
    except NetworksError as error:
        raise UnreadableObjectError(identity, version, str(error)) from error
    addresses, fault = _addresses(networks, default) if networks or default else ((), "")
    attached = read_attached(annotations.status, addresses)
    carried = CarriedAddresses(addresses, fault, owner, attached)
    if addresses or fault or attached:
        return Decoded(identity, version, carried)
    return Decoded(identity, version, None, remnant=carried)


def read_attached(status: str | None, carried: Container[int]) -> tuple[int, ...] | None:
    """The addresses of a pod's secondary interfaces, each once; None where its network-status says nothing of them.

    The interface in the cluster's default network is listed as `default`, or by a name without a namespace; so are
    those in primary user-defined networks of OVN-Kubernetes. An address that is made from an IP address counts only
    where it is one that the pod carries.

    Args:
        status: the annotation; None where there is none.
        carried: the addresses that the pod's other annotations have.
    """
    if not status:
        return None
    if "/" not in status and "\\" not in status:  # most pods have no other interface: not worth reading
        return ()
    try:
        attachments = _attachments.decode(status) or []
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        return None
    if len(attachments) > MOST_INTERFACES:
        return None
    found: dict[int, None] = {}
    for each in attachments:
        if each.mac and not each.default and "/" in (each.name or ""):
            try:
                address = parse_address(each.mac)
            except AddressError:  # of another kind, such as InfiniBand's
                continue
            if address >> 32 != _MADE_FROM_IP or address in carried:
                found[address] = None
    return tuple(found)


def _parsed(annotation: str | None) -> NetworkSelections | None:
    return parse_networks(annotation) if annotation else None


def _addresses(networks: NetworkSelections | None, default: NetworkSelections | None) -> tuple[tuple[int, ...], str]:
    given = [
        *given_addresses(entries_of(networks)),
        *given_addresses(entries_of(default), DEFAULT_NETWORK_ANNOTATION),
    ]
    addresses, fault = read_addresses(given[:MOST_INTERFACES])
    count = max(count_of(networks) + count_of(default), len(given))
    if count > MOST_INTERFACES:
        fault = "; ".join(filter(None, (too_many(count), fault)))
    return addresses, fault
