"""Pods as a watch on their metadata shows them: which addresses each carries."""

from typing import Final

import msgspec

from kubemacpool.core.parties import VIRTUAL_MACHINE_INSTANCE
from kubemacpool.wire.carrying import (
    MOST_INTERFACES,
    CarriedAddresses,
    Reference,
    controller_of,
    read_addresses,
    too_many,
)
from kubemacpool.wire.networks import NETWORKS_ANNOTATION, NetworksError, parse_networks
from kubemacpool.wire.objects import Decoded, StoredMetadata, UnreadableObjectError, identify
from kubemacpool.wire.quoting import quoted


class _Annotations(msgspec.Struct, gc=False):
    networks: str | None = msgspec.field(name=NETWORKS_ANNOTATION, default=None)


class _Metadata(StoredMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None
    owner_references: list[Reference] | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


_objects: Final = msgspec.json.Decoder(_Object)


def decode_pod(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
    """Read the addresses that a pod carries; no item for a pod without any, which may have interfaces with some still.

    Raises:
        UnreadableObjectError: when the annotation cannot be read, so that nothing is known of the pod's addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    identity, version = identify(metadata)
    networks = metadata.annotations.networks if metadata.annotations is not None else None
    try:
        addresses, fault = _addresses(networks) if networks else ((), "")
    except NetworksError as error:
        raise UnreadableObjectError(identity, version, str(error)) from error
    carried = CarriedAddresses(addresses, fault, controller_of(metadata.owner_references, VIRTUAL_MACHINE_INSTANCE))
    if addresses or fault:
        return Decoded(identity, version, carried)
    return Decoded(identity, version, None, remnant=carried)


def _addresses(networks: str) -> tuple[tuple[int, ...], str]:
    selections = parse_networks(networks)
    if selections is None:
        return (), ""
    entries = selections.selections
    addresses, fault = read_addresses(
        (f"entry {index} ({quoted(selection.name)})", selection.mac)
        for index, selection in enumerate(entries[:MOST_INTERFACES])
    )
    if len(entries) > MOST_INTERFACES:
        fault = "; ".join(filter(None, (too_many(len(entries)), fault)))
    return addresses, fault
