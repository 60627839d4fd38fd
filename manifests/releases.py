"""The release manifests: the files of a kustomize base, joined with their comments.

kustomize drops comments, and those who edit a manifest need them. So the text of the resources is joined as it stands,
in the order in which the kustomization lists them, and nothing in a released base may change it: overlays do that. A
test shows that kustomize builds the same objects.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Iterator

CONFIG = Path(__file__).parents[1] / "config"
KUSTOMIZATION = "kustomization.yaml"


class SortOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How kustomize orders objects; `fifo` is as they are listed."""

    order: str


class Kustomization(msgspec.Struct, forbid_unknown_fields=True, rename="camel"):
    """What the kustomization of a released base may say: anything else would not be in the joined text."""

    api_version: str
    kind: str
    sort_options: SortOptions
    resources: list[str]


@dataclass(frozen=True, slots=True)
class Release:
    """A manifest that users apply, and the base, or the file, that it is made from."""

    target: Path
    base: Path
    header: str


RELEASES = (
    Release(
        CONFIG / "release" / "kubemacpool.yaml",
        CONFIG / "base",
        "# KubeMacPool. Apply with: kubectl apply -f kubemacpool.yaml\n"
        "# Before or after that, set the range of the pool in ConfigMap kubemacpool-mac-range-config.\n",
    ),
    Release(
        CONFIG / "release" / "kubemacpool-monitoring.yaml",
        CONFIG / "monitoring",
        "# Monitoring of KubeMacPool, for clusters with the Prometheus operator.\n",
    ),
    Release(
        CONFIG / "release" / "kubemacpool-hardening.yaml",
        CONFIG / "hardening",
        "# Optional, for Kubernetes 1.30 and later: what the manager may change of its webhook configuration.\n",
    ),
)


def text(release: Release) -> str:
    """Return the manifest as it is to be.

    Raises:
        ValueError: the base does more than to list its resources in order.
    """
    return release.header + "---\n".join(path.read_text(encoding="utf-8") for path in resources(release.base))


def resources(base: Path) -> Iterator[Path]:
    """Name the files of a base in order, those of bases that it lists included; a file stands for itself."""
    if base.is_file():
        yield base
        return
    path = base / KUSTOMIZATION
    try:
        kustomization = msgspec.yaml.decode(path.read_bytes(), type=Kustomization)
    except msgspec.ValidationError as error:
        message = f"{path}: {error}. What is released lists resources and changes nothing; an overlay may."
        raise ValueError(message) from error
    if kustomization.sort_options.order != "fifo":
        order = kustomization.sort_options.order
        message = f"{path}: sortOptions.order is {order}, but files are joined as they are listed: say fifo."
        raise ValueError(message)
    for name in kustomization.resources:
        if (base / name).is_dir():
            yield from resources(base / name)
        else:
            yield base / name
