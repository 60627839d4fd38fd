"""Objects of KubeVirt as users and virt-controller write them, reduced to what matters here."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING, Any, Final

from tests.support.cluster_client import pod

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

API_VERSION: Final = "kubevirt.io/v1"
INSTANCE_FINALIZER: Final = "foregroundDeleteVirtualMachine"
"""By which virt-controller keeps an instance until its launcher pods are gone."""

LAUNCHER: Final = {"kubevirt.io": "virt-launcher"}
"""The label of every launcher pod."""

Document = dict[str, Any]


def nic(name: str = "one", mac: str = "") -> Document:
    """An interface bridged to the Multus network of its name."""
    return {"name": name, "bridge": {}} | ({"macAddress": mac} if mac else {})


def pod_nic(mac: str = "", binding: str = "masquerade") -> Document:
    """The interface of the pod network."""
    return {"name": "default", binding: {}} | ({"macAddress": mac} if mac else {})


def networks_of(nics: Sequence[Document]) -> list[Document]:
    """The networks that belong to interfaces made here."""
    return [
        {"name": each["name"], "pod": {}}
        if each["name"] == "default"
        else {"name": each["name"], "multus": {"networkName": f"{each['name']}-definition"}}
        for each in nics
    ]


def instance_spec(nics: Sequence[Document], networks: Sequence[Document] | None = None) -> Document:
    """What an instance is to be, also in a machine's template; `networks` are those of the interfaces by default."""
    return {
        "domain": {"devices": {"interfaces": list(nics)}, "resources": {"requests": {"memory": "64Mi"}}},
        "networks": networks_of(nics) if networks is None else list(networks),
    }


def machine(
    name: str = "",
    *nics: Document,
    run_strategy: str = "Halted",
    generate_name: str = "",
    networks: Sequence[Document] | None = None,
    metadata: Mapping[str, object] | None = None,
) -> Document:
    """A VirtualMachine, with one interface `one` where none is given; `run_strategy` Always has it running."""
    about: Document = {"name": name} if name else {"generateName": generate_name}
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualMachine",
        "metadata": about | dict(metadata or {}),
        "spec": {"runStrategy": run_strategy, "template": {"spec": instance_spec(nics or [nic()], networks)}},
    }


def instance(name: str, spec: Document, metadata: Mapping[str, object] | None = None) -> Document:
    """A VirtualMachineInstance, as users make it or virt-controller does."""
    return {
        "apiVersion": API_VERSION,
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "finalizers": [INSTANCE_FINALIZER]} | dict(metadata or {}),
        "spec": spec,
    }


def migration(name: str, vmi: str, *, send_to: str = "", receive: str = "") -> Document:
    """A migration of an instance; within its namespace, or one side of that with this migrationID."""
    spec: Document = {"vmiName": vmi}
    if send_to:
        spec["sendTo"] = {"migrationID": send_to, "connectURL": "127.0.0.1:9185"}
    if receive:
        spec["receive"] = {"migrationID": receive}
    about = {"name": name}
    return {"apiVersion": API_VERSION, "kind": "VirtualMachineInstanceMigration", "metadata": about, "spec": spec}


def controller_reference(owner: Document) -> Document:
    """The entry of ownerReferences by which an object belongs to this one."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def launcher_pod(owner: Document, labels: Mapping[str, str] | None = None) -> Document:
    """The launcher pod of an instance."""
    about = owner["metadata"]
    made_for = {"kubevirt.io/created-by": about["uid"], "vm.kubevirt.io/name": about["name"]}
    return pod(
        networks=launcher_networks(owner),
        generate_name=f"virt-launcher-{about['name']}-",
        scheduled=True,
        metadata={
            "labels": LAUNCHER | made_for | dict(labels or {}),
            "ownerReferences": [controller_reference(owner)],
        },
    )


def launcher_networks(owner: Document) -> str | None:
    """The network-selection annotation of an instance's launcher pod; None where it needs none.

    Source: KubeVirt writes the entries of Multus networks by the library of the Network Plumbing Working Group, which
    has `cni-args` in each; the interface in the pod is `pod` and eleven digits of the SHA-256 of the network's name.
    """
    spec = owner["spec"]
    macs = {
        each["name"]: each.get("macAddress")
        for each in spec["domain"]["devices"]["interfaces"]
        if each.get("state") != "absent"
    }
    entries: list[Document] = []
    for network in spec["networks"]:
        name = network["name"]
        if "multus" not in network or name not in macs:
            continue
        entry: Document = {"name": network["multus"]["networkName"], "namespace": owner["metadata"]["namespace"]}
        if macs[name]:
            entry["mac"] = macs[name]
        entry["interface"] = f"pod{hashlib.sha256(name.encode()).hexdigest()[:11]}"
        entry["cni-args"] = None
        entries.append(entry)
    return json.dumps(entries, separators=(",", ":")) if entries else None


def network_status(networks: str) -> str:
    """What Multus reports of the interfaces that a pod with this annotation has."""
    return json.dumps(
        [
            {"name": f"{entry['namespace']}/{entry['name']}", "interface": entry["interface"], "mac": entry.get("mac")}
            for entry in json.loads(networks)
        ],
        separators=(",", ":"),
    )
