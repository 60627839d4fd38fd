"""Pods as a watch on their metadata shows them: which addresses each carries, and which its interfaces have."""

from collections.abc import Container
from typing import Final

import msgspec

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.families import OwnerReference
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

    @property
    def size(self) -> int:
        """How many characters they have."""
        return sum(len(each) for each in (self.networks, self.default_network, self.status) if each is not None)


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


MOST_REMEMBERED: Final = 4096
LONGEST_REMEMBERED: Final = 4096
"""Of so many pods, and so many characters of each, what was read last is remembered: most events of a pod come within
seconds of each other. That is 16 MB at most, and 3 MB of ordinary pods."""


class PodDecoder:
    """Reads pods as their events come; annotations that are as they were for the same pod are not read again."""

    def __init__(self, *, pod_network: bool = False) -> None:
        """Remember nothing yet.

        Args:
            pod_network: whether addresses of virtual machines on the pod network count. Only then does a launcher pod
                carry what its `default-network` says: KubeVirt has there the address of the machine's interface on the
                primary network, which in another primary network of OVN-Kubernetes may be somebody else's too.
        """
        self._pod_network = pod_network
        self._remembered: dict[str, tuple[_Annotations, CarriedAddresses]] = {}

    def __call__(self, raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
        """Read the addresses that a pod carries; no item for one without any, which may have interfaces with some.

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
        remembered = self._remembered.get(identity.uid)
        if remembered is not None and remembered[0] == annotations and remembered[1].owner == owner:
            carried = remembered[1]
        else:
            try:
                carried = _carried(annotations, owner, pod_network=self._pod_network)
            except NetworksError as error:
                raise UnreadableObjectError(identity, version, str(error)) from error
            self._remember(identity.uid, annotations, carried)
        if carried.addresses or carried.fault or carried.attached:
            return Decoded(identity, version, carried)
        return Decoded(identity, version, None, remnant=carried)

    def _remember(self, uid: str, annotations: _Annotations, carried: CarriedAddresses) -> None:
        self._remembered.pop(uid, None)
        if annotations.size <= LONGEST_REMEMBERED:
            self._remembered[uid] = annotations, carried
            if len(self._remembered) > MOST_REMEMBERED:
                del self._remembered[next(iter(self._remembered))]


def _carried(annotations: _Annotations, owner: OwnerReference | None, *, pod_network: bool) -> CarriedAddresses:
    networks = _parsed(annotations.networks)
    default = _parsed(annotations.default_network) if owner is None or pod_network else None
    addresses, fault = _addresses(networks, default) if networks or default else ((), "")
    return CarriedAddresses(addresses, fault, owner, read_attached(annotations.status, addresses))


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
