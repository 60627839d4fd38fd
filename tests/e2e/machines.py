"""Objects of KubeVirt as the tests write them, and what the API server stores of them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from tests.e2e.cluster_client import Reply

KUBEVIRT: Final = "kubevirt.io"


class _Interface(msgspec.Struct, rename="camel"):
    mac_address: str = ""


class _Devices(msgspec.Struct):
    interfaces: list[_Interface] = []


class _Domain(msgspec.Struct):
    devices: _Devices


class _InstanceSpec(msgspec.Struct):
    domain: _Domain


class _Template(msgspec.Struct):
    spec: _InstanceSpec


class _MachineSpec(msgspec.Struct):
    template: _Template


class _Machine(msgspec.Struct):
    spec: _MachineSpec


def machines_path(namespace: str, plural: str = "virtualmachines", version: str = "v1") -> str:
    """Where the machines of a namespace are."""
    return f"/apis/{KUBEVIRT}/{version}/namespaces/{namespace}/{plural}"


def machine(
    name: str, macs: Sequence[str] = ("",), *, annotations: Mapping[str, str] | None = None, version: str = "v1"
) -> dict[str, object]:
    """A VirtualMachine that does not run, with an interface for each address; an empty one is left out."""
    return {
        "apiVersion": f"{KUBEVIRT}/{version}",
        "kind": "VirtualMachine",
        "metadata": {"name": name, "annotations": dict(annotations or {})},
        "spec": {"running": False, "template": {"spec": _instance_spec(macs)}},
    }


def instance(name: str, macs: Sequence[str], *, version: str = "v1") -> dict[str, object]:
    """A VirtualMachineInstance without a VirtualMachine."""
    return {
        "apiVersion": f"{KUBEVIRT}/{version}",
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name},
        "spec": _instance_spec(macs),
    }


def machine_macs(reply: Reply) -> list[str]:
    """The address of every interface of a VirtualMachine; empty texts where there is none."""
    stored = msgspec.json.decode(reply.body, type=_Machine)
    return [interface.mac_address for interface in stored.spec.template.spec.domain.devices.interfaces]


def _instance_spec(macs: Sequence[str]) -> dict[str, object]:
    names = [f"net{number}" for number in range(len(macs))]
    interfaces = [
        {"name": name, "bridge": {}} | ({"macAddress": mac} if mac else {})
        for name, mac in zip(names, macs, strict=True)
    ]
    networks = [{"name": name, "multus": {"networkName": name}} for name in names]
    return {"domain": {"devices": {"interfaces": interfaces}}, "networks": networks}
