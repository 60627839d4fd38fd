"""The question whether a VirtualMachine, or an instance, may be as it is, and the patch that gives it addresses.

Source: kubevirt.io/v1: domain.devices.interfaces[] and networks[] belong together by name, in the spec of an instance
and in that of a machine's template.
"""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

import msgspec

from kubemacpool.core.families import OwnerReference
from kubemacpool.core.parties import VIRTUAL_MACHINE, VIRTUAL_MACHINE_INSTANCE
from kubemacpool.wire.machines import NULL, Network, NetworkKind, network_kind, read_entries
from kubemacpool.wire.objects import KUBEVIRT, MOST_INTERFACES, Reference, controller_of
from kubemacpool.wire.quoting import listed
from kubemacpool.wire.review import Expected, Review, ReviewedMetadata, decode_review

MAC_POLICY: Final = "kubemacpool.io/mac-policy"

OLD_FINALIZER: Final = "k8s.v1.cni.cncf.io/kubeMacPool"
"""Early versions of the Go implementation added it to machines. Nobody is left to take it away, but we."""


class MachineInterface(NamedTuple):
    """One interface.

    Attributes:
        name: by which it finds its network.
        mac: the text of its address; empty where it has none.
        network: what it is bound to.
        absent: whether it is about to be unplugged (`state: absent`).
    """

    name: str
    mac: str
    network: NetworkKind
    absent: bool


class MachineReview(NamedTuple):
    """A VirtualMachine or an instance about to be created or changed.

    Attributes:
        uid: of the request.
        operation: CREATE or UPDATE.
        namespace: the object's.
        name: the object's, or empty when the API server has yet to make one from `generate_name`.
        generate_name: the prefix of that name.
        dry_run: whether nothing will be persisted.
        deleting: whether it is being deleted.
        mac_policy: what is to be done about addresses that others hold; None where the annotation is missing.
        interfaces: in the object's order; of more than an object may have, the first.
        old_interfaces: before an update, as far as they can be read; none at a creation.
        fault: what of the interfaces and networks cannot be read, or an empty text. The API server looks at the types
            of a custom resource's fields only after we have.
        old_finalizer: where among its finalizers the old one is; None where it is not.
        owner: the VirtualMachine that an instance says it belongs to.
        object_uid: the object's; empty at a creation.
        counts: how many interfaces and how many networks there are.
    """

    uid: str
    operation: str
    namespace: str
    name: str
    generate_name: str
    dry_run: bool
    deleting: bool
    mac_policy: str | None
    interfaces: tuple[MachineInterface, ...]
    old_interfaces: tuple[MachineInterface, ...]
    fault: str = ""
    old_finalizer: int | None = None
    owner: OwnerReference | None = None
    object_uid: str = ""
    counts: tuple[int, int] = (0, 0)


class _Annotations(msgspec.Struct, gc=False):
    mac_policy: str | None = msgspec.field(name=MAC_POLICY, default=None)


class _Metadata(ReviewedMetadata, gc=False, rename="camel"):
    annotations: _Annotations | None = None
    deletion_timestamp: str | None = None
    finalizers: list[str] | None = None
    owner_references: list[Reference] | None = None
    uid: str | None = None


class _Interface(msgspec.Struct, gc=False, rename="camel"):
    name: str = ""
    mac_address: str | None = None
    state: str | None = None
    masquerade: dict[str, Any] | None = None


class _Devices(msgspec.Struct, gc=False):
    interfaces: list[msgspec.Raw] | None = None


class _Domain(msgspec.Struct, gc=False):
    devices: _Devices | None = None


class _InstanceSpec(msgspec.Struct, gc=False):
    domain: _Domain | None = None
    networks: list[msgspec.Raw] | None = None


class _Template(msgspec.Struct, gc=False):
    spec: _InstanceSpec | None = None


class _Spec(msgspec.Struct, gc=False):
    template: _Template | None = None


class _Machine(msgspec.Struct, gc=False):
    metadata: _Metadata = msgspec.field(default_factory=_Metadata)
    spec: msgspec.Raw = NULL


_MACHINES: Final = Expected(KUBEVIRT, VIRTUAL_MACHINE, ("CREATE", "UPDATE"))
_INSTANCES: Final = Expected(KUBEVIRT, VIRTUAL_MACHINE_INSTANCE, ("CREATE",))
_reviews: Final = msgspec.json.Decoder(Review[_Machine])
_specs: Final = msgspec.json.Decoder(_Spec | None)
_instance_specs: Final = msgspec.json.Decoder(_InstanceSpec | None)
_interfaces: Final = msgspec.json.Decoder(_Interface)
_networks: Final = msgspec.json.Decoder(Network)
_encoder: Final = msgspec.json.Encoder()

_SpecOf = Callable[[msgspec.Raw], _InstanceSpec | None]


def decode_machine_review(body: bytes) -> MachineReview:
    """Read the question whether a VirtualMachine may be created or changed.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    return _read(body, _MACHINES, _template_of)


def decode_instance_review(body: bytes) -> MachineReview:
    """Read the question whether a VirtualMachineInstance may be created.

    Raises:
        ReviewError: when the body is no AdmissionReview of this version, or asks about something else.
    """
    return _read(body, _INSTANCES, _instance_specs.decode)


def _read(body: bytes, expected: Expected, spec_of: _SpecOf) -> MachineReview:
    request, machine = decode_review(body, _reviews, expected)
    metadata = machine.metadata
    interfaces, fault, counts = _read_spec(machine.spec, spec_of)
    finalizers = metadata.finalizers or []
    old = request.old_object if request.operation == "UPDATE" else None
    return MachineReview(
        request.uid,
        request.operation,
        request.namespace,
        metadata.name or request.name,
        metadata.generate_name or "",
        bool(request.dry_run),
        metadata.deletion_timestamp is not None,
        metadata.annotations.mac_policy if metadata.annotations is not None else None,
        interfaces,
        _read_spec(old.spec, spec_of)[0] if old is not None else (),
        fault,
        finalizers.index(OLD_FINALIZER) if OLD_FINALIZER in finalizers else None,
        controller_of(metadata.owner_references, VIRTUAL_MACHINE),
        (metadata.uid or "") if old is not None else "",
        counts,
    )


def interface_patch(macs: Mapping[int, str], field: str) -> bytes:
    """A JSON patch (RFC 6902) that gives interfaces their addresses.

    Args:
        macs: by the interface's index in the object.
        field: that has the interfaces, its parts separated by dots.
    """
    path = "/" + field.replace(".", "/")
    return _encoder.encode(
        [{"op": "add", "path": f"{path}/{index}/macAddress", "value": mac} for index, mac in macs.items()]
    )


def finalizer_patch(index: int) -> bytes:
    """A JSON patch (RFC 6902) that takes the old finalizer away.

    Args:
        index: where it is among the object's finalizers.
    """
    path = f"/metadata/finalizers/{index}"
    return _encoder.encode(
        [{"op": "test", "path": path, "value": OLD_FINALIZER}, {"op": "remove", "path": path}],
    )


def _template_of(raw: msgspec.Raw) -> _InstanceSpec | None:
    """What a machine's spec says of its instances."""
    whole = _specs.decode(raw)
    template = whole.template if whole is not None else None
    return template.spec if template is not None else None


def _read_spec(raw: msgspec.Raw, spec_of: _SpecOf) -> tuple[tuple[MachineInterface, ...], str, tuple[int, int]]:
    """The interfaces that can be read, what is wrong with others, and how many there are, with how many networks."""
    try:
        spec = spec_of(raw)
    except (msgspec.DecodeError, UnicodeError) as error:
        return (), str(error), (0, 0)
    if spec is None or spec.domain is None or spec.domain.devices is None:
        return (), "", (0, 0)
    every_interface, every_network = spec.domain.devices.interfaces or (), spec.networks or ()
    interfaces, faults = read_entries("interface", every_interface[:MOST_INTERFACES], _interfaces)
    networks, more_faults = read_entries("network", every_network[:MOST_INTERFACES], _networks)
    by_name = {network.name: network for network in networks}
    read = tuple(
        MachineInterface(
            each.name,
            each.mac_address or "",
            network_kind(by_name.get(each.name), masquerade=each.masquerade is not None),
            each.state == "absent",
        )
        for each in interfaces
    )
    return read, listed(faults + more_faults), (len(every_interface), len(every_network))
