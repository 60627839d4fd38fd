"""What a followed object tells: which addresses it carries, and whom it belongs to."""

from collections.abc import Iterable
from typing import Final, NamedTuple

import msgspec

from kubemacpool.core.addresses import AddressError, parse_address
from kubemacpool.core.families import OwnerReference
from kubemacpool.wire.quoting import listed, quoted

KUBEVIRT: Final = "kubevirt.io"
"""The API group of virtual machines."""


MOST_INTERFACES: Final = 256
"""Of one object. KubeVirt's schema allows a virtual machine as many networks (maxItems), each with one interface, and
its launcher pods have no more; nobody gives a pod a tenth of that. The schema is looked at after us, and for pods there
is none: without a bound, the addresses of a few objects might fill the Lease (`MOST_NAMES`)."""


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
