"""What the environment may say about the cluster, checked where it is read."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Mapping

REPOSITORY = Path(__file__).resolve().parents[2]
GO_MODULES = REPOSITORY / "cluster" / "go"
DEFAULT_STATE_DIR = REPOSITORY / "_out" / "cluster"
RELEASE_MANIFEST = REPOSITORY / "config" / "release" / "kubemacpool.yaml"
# Virtual machines without KubeVirt: its kinds, and nobody who acts on them.
KUBEVIRT_CRDS = REPOSITORY / "cluster" / "kubevirt" / "crds.yaml"

PROVIDERS = ("controlplane", "nodes", "kind")
DEFAULT_KUBERNETES_VERSION = "1.37"
DEFAULT_NUM_NODES = 1
# One KWOK simulates thousands of nodes, but etcd and the API server share this machine's processors with it.
MAX_NUM_NODES = 100


def provider(environment: Mapping[str, str] = os.environ) -> str:
    """Read MACPOOL_PROVIDER."""
    name = environment.get("MACPOOL_PROVIDER") or PROVIDERS[0]
    if name not in PROVIDERS:
        message = f"MACPOOL_PROVIDER={name} is not a provider; there are {', '.join(PROVIDERS)}."
        raise SettingError(message)
    return name


def num_nodes(environment: Mapping[str, str] = os.environ) -> int | None:
    """Read MACPOOL_NUM_NODES; None when it does not ask for any number."""
    text = environment.get("MACPOOL_NUM_NODES")
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or int(text) > MAX_NUM_NODES:
        message = f"MACPOOL_NUM_NODES={text} is not a number of nodes; give one from 0 to {MAX_NUM_NODES}."
        raise SettingError(message)
    return int(text)


def kubernetes_version(environment: Mapping[str, str] = os.environ) -> str | None:
    """Read KUBERNETES_VERSION; None when it does not ask for any."""
    text = environment.get("KUBERNETES_VERSION")
    return checked_kubernetes_version(text) if text else None


def checked_kubernetes_version(text: str) -> str:
    """Return the version if there is a pinned module for it."""
    known = known_kubernetes_versions()
    if text not in known:
        message = f"KUBERNETES_VERSION={text} is not pinned here; there are {' and '.join(known)}."
        raise SettingError(message)
    return text


def known_kubernetes_versions() -> list[str]:
    """List the versions with a pinned module, oldest first."""
    names = (path.name.removeprefix("kubernetes-") for path in GO_MODULES.glob("kubernetes-*"))
    return sorted(names, key=lambda name: [int(part) for part in re.findall(r"\d+", name)])


def cache_dir(environment: Mapping[str, str] = os.environ) -> Path:
    """Where built binaries are kept between clusters and checkouts."""
    if chosen := environment.get("MACPOOL_CACHE"):
        return Path(chosen).absolute()
    base = environment.get("XDG_CACHE_HOME") or str(Path.home() / ".cache")
    return Path(base).absolute() / "kubemacpool"
