"""What a NPWG implementation makes of a pod's annotation: which plugins it runs, and with what.

Source: NPWG Kubernetes Network Custom Resource Definition De-facto Standard, section 4 (the key `mac`): the address
goes to the plugins that declare the capability, as `runtimeConfig.mac`. Multus also puts it into CNI_ARGS, which
reaches the plugins of a network whose author did not declare anything.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from tests.e2e.cni.sandbox import Pod, Sandbox


class Selection(msgspec.Struct, frozen=True):
    """One entry of the annotation, with what has to be known in order to attach a pod."""

    name: str
    mac: str
    namespace: str


def selections(annotation: str) -> list[Selection]:
    """Read the annotation as the standard defines it; an entry without an address is an error here."""
    return msgspec.json.decode(annotation, type=list[Selection])


def by_capability(mac: str) -> dict[str, str]:
    """The address as the standard says."""
    return {"CAP_ARGS": json.dumps({"mac": mac})}


def as_multus(mac: str) -> dict[str, str]:
    """The address as Multus gives it: by capability, and in CNI_ARGS."""
    return by_capability(mac) | {"CNI_ARGS": f"IgnoreUnknown=true;MAC={mac}"}


def attach(sandbox: Sandbox, pod: Pod, annotation: str) -> list[str]:
    """Attach a pod to its networks, and return the addresses that its interfaces have then."""
    chosen = selections(annotation)
    for number, selection in enumerate(chosen, start=1):
        sandbox.cnitool("add", selection.name, pod, f"net{number}", as_multus(selection.mac))
    return [pod.hardware_address(f"net{number}") for number in range(1, len(chosen) + 1)]
