"""What the hostile tenant does, how it is drawn from the seed, and the objects that it takes. Pure."""

from __future__ import annotations

import random
from enum import StrEnum
from typing import TYPE_CHECKING, Any

import msgspec
from tests.support.cluster_client import NETWORKS

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

Document = dict[str, Any]

GROUP = "kubevirt.io/v1"
MOST_NETWORKS = 256
PARTNERS = 8
NETWORK_STATUS = "k8s.v1.cni.cncf.io/network-status"
FINALIZER = "tenant.example/never"
# What nobody else asks for, and what is outside the range: shared among the tenant's own pods and never anybody's.
SHARED = tuple(f"06:00:00:00:00:{index:02x}" for index in range(MOST_NETWORKS))


class Deed(StrEnum):
    """Something that a tenant may do, and had better not be able to harm others by."""

    WIDE = "256 networks, refused after us for its container's name"
    QUOTA = "256 networks, refused after us for a quota"
    CREATE = "a pod with addresses of others"
    ANNOTATE = "addresses of others written over those of a running pod"
    EMPTY = "the annotation of a running pod emptied, garbled or taken away"
    OWNERS = "owner references gained, lost and changed, in circles"
    INSTANCE = "an instance with the address of somebody's machine"
    LAUNCHER = "a launcher pod of an instance of its own, with the address of somebody's machine"
    DELETING = "a machine that is being deleted, kept, and given the address of somebody's"
    PAIRS = "two pods given the same 64 addresses, again and again"
    SHARE = "one more pod that shares an address with all the others"
    DEEP = "an annotation that is deep, huge or a short form of 100 KiB"
    FORGED = "a forged review, sent to a replica"
    SILENT = "connections to a replica that say nothing"
    UNFINISHED = "a body that never ends, sent to a replica"


CALLS = (Deed.FORGED, Deed.SILENT, Deed.UNFINISHED)
"""What is done to a replica directly; some of it takes seconds."""
REQUESTS = tuple(deed for deed in Deed if deed not in CALLS)
"""What is asked of the API server."""


def drawn(seed: int, worker: int, deeds: Sequence[Deed]) -> Iterator[tuple[Deed, random.Random]]:
    """Deeds without end, each with the chance by which its particulars are drawn: every one before any comes again."""
    chance = random.Random(f"{seed}/tenant/{worker}")  # noqa: S311 (to be replayed, not to be secret)
    while True:
        deck = list(deeds)
        chance.shuffle(deck)
        for deed in deck:
            yield deed, random.Random(chance.getrandbits(64))  # noqa: S311 (same)


def likely(chance: random.Random, share: float = 0.5) -> bool:
    """Draw yes or no."""
    return chance.random() < share


def networks(macs: Iterable[str | None]) -> str:
    """A network-selection annotation with one network for each of these; None stands for any address."""
    entries = [{"name": f"net-{index}"} | ({"mac": mac} if mac else {}) for index, mac in enumerate(macs)]
    return msgspec.json.encode(entries).decode()


def interfaces(macs: Iterable[str]) -> str:
    """What Multus reports of a pod that runs, as the annotation `network-status` has it."""
    entries = [
        {"name": f"tenant/net-{index}", "interface": f"net{index + 1}", "mac": mac} for index, mac in enumerate(macs)
    ]
    return msgspec.json.encode([{"name": "default", "interface": "eth0", "default": True}, *entries]).decode()


def pod(name: str, annotation: str, *, container: str = "app", owners: Sequence[Document] = ()) -> Document:
    """A pod that nobody schedules."""
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "annotations": {NETWORKS: annotation}, "ownerReferences": list(owners)},
        "spec": {
            "schedulerName": "nobody",
            "automountServiceAccountToken": False,
            "containers": [{"name": container, "image": "registry.k8s.io/pause:3.10"}],
        },
    }


def domain(macs: Sequence[str]) -> Document:
    """What a virtual machine is to be, with an interface for each address; an empty one stands for any."""
    return {
        "domain": {
            "devices": {
                "interfaces": [
                    {"name": f"nic-{index}", "bridge": {}} | ({"macAddress": mac} if mac else {})
                    for index, mac in enumerate(macs)
                ]
            },
            "resources": {"requests": {"memory": "64Mi"}},
        },
        "networks": [{"name": f"nic-{index}", "multus": {"networkName": f"net-{index}"}} for index in range(len(macs))],
    }


def machine(name: str, macs: Sequence[str], finalizers: Sequence[str] = ()) -> Document:
    """A VirtualMachine that does not run."""
    return {
        "apiVersion": GROUP,
        "kind": "VirtualMachine",
        "metadata": {"name": name, "finalizers": list(finalizers)},
        "spec": {"runStrategy": "Halted", "template": {"spec": domain(macs)}},
    }


def instance(name: str, macs: Sequence[str], owners: Sequence[Document] = ()) -> Document:
    """A VirtualMachineInstance."""
    return {
        "apiVersion": GROUP,
        "kind": "VirtualMachineInstance",
        "metadata": {"name": name, "ownerReferences": list(owners)},
        "spec": domain(macs),
    }


def reference(kind: str, name: str, uid: str, *, controller: bool = True) -> Document:
    """An entry of ownerReferences."""
    version = "v1" if kind == "Pod" else GROUP
    return {"apiVersion": version, "kind": kind, "name": name, "uid": uid, "controller": controller}


def monstrous(chance: random.Random) -> str:
    """An annotation that is no pleasure to read: at most 200 KiB, since the API server takes no more than 256."""
    return chance.choice(
        [
            "[" * 100_000,
            '[{"name":"a","cni-args":' + '{"a":' * 20_000 + "1" + "}" * 20_000 + "}]",
            ",".join(["net-a"] * 16_000),
            "ns/" * 30_000 + "net",
            "-" * 100_000,
            "@" * 100_000,
            networks([None] * 4_000),
            '[{"name":"a","mac":"' + "0" * 150_000 + '"}]',
            '[{"name":"a",' + ",".join(f'"mac":"02:00:00:00:00:{index:02x}"' for index in range(256)) + "}]",
        ]
    )


def review(chance: random.Random, namespace: str, macs: Sequence[str], *, dry_run: bool) -> bytes:
    """A question as the API server asks it."""
    asked = {
        "uid": f"{chance.getrandbits(64):x}",
        "kind": {"group": "", "version": "v1", "kind": "Pod"},
        "operation": "CREATE",
        "namespace": namespace,
        "dryRun": dry_run,
        "object": pod(f"forged-{chance.getrandbits(32):x}", networks(macs)),
    }
    return msgspec.json.encode({"apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview", "request": asked})
