"""Pods as a watch on their metadata shows them: which addresses each carries."""

from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.wire.admission import AnnotationsOfInterest
from kubemacpool.wire.networks import NetworksError, parse_networks
from kubemacpool.wire.objects import Decoded, ObjectIdentity, UnreadableObjectError
from kubemacpool.wire.quoting import quoted


class CarriedAddresses(NamedTuple):
    """The addresses in a pod's annotation, each once; and what in it could not be read, or an empty text."""

    addresses: tuple[int, ...]
    fault: str = ""


class _Metadata(msgspec.Struct, gc=False, rename="camel"):
    name: str
    uid: str
    resource_version: str
    namespace: str = ""
    annotations: AnnotationsOfInterest | None = None


class _Object(msgspec.Struct, gc=False):
    metadata: _Metadata


_objects: Final = msgspec.json.Decoder(_Object)


def decode_pod(raw: bytes | msgspec.Raw) -> Decoded[CarriedAddresses]:
    """Read the addresses that a pod carries; no item for a pod without any.

    Raises:
        UnreadableObjectError: when the annotation cannot be read, so that nothing is known of the pod's addresses.
        msgspec.ValidationError: when it is not an object with metadata.
    """
    metadata = _objects.decode(raw).metadata
    identity = ObjectIdentity(metadata.namespace, metadata.name, metadata.uid)
    version = int(metadata.resource_version)
    networks = metadata.annotations.networks if metadata.annotations is not None else None
    if not networks:
        return Decoded(identity, version, None)
    try:
        carried = _carried(networks)
    except NetworksError as error:
        raise UnreadableObjectError(identity, version, str(error)) from error
    return Decoded(identity, version, carried)


def _carried(networks: str) -> CarriedAddresses | None:
    selections = parse_networks(networks)
    if selections is None:
        return None
    addresses: dict[int, None] = {}
    faults: list[str] = []
    for index, selection in enumerate(selections.selections):
        if selection.mac:
            try:
                addresses[parse_address(selection.mac)] = None
            except AddressError as error:
                faults.append(f"entry {index} ({quoted(selection.name)}): mac {quoted(selection.mac)} is {error}")
    if not addresses and not faults:
        return None
    return CarriedAddresses(tuple(addresses), "; ".join(faults))
