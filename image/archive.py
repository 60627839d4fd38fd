"""The OCI image specification: configuration, manifest, index, and the archive that holds them."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from image import contents

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

    from image.contents import Platform
    from image.layers import Layer

_MEDIA = "application/vnd.oci.image."


@dataclass(frozen=True, slots=True)
class Made:
    """What the image was made from, as its labels say it."""

    version: str
    revision: str
    epoch: int

    @property
    def created(self) -> str:
        """The date of the commit."""
        return datetime.fromtimestamp(self.epoch, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")

    def annotations(self) -> dict[str, str]:
        """The annotations that the specification names."""
        return {
            "org.opencontainers.image.created": self.created,
            "org.opencontainers.image.description": contents.DESCRIPTION,
            "org.opencontainers.image.documentation": f"{contents.SOURCE}/tree/main/docs",
            "org.opencontainers.image.licenses": contents.LICENSES,
            "org.opencontainers.image.revision": self.revision,
            "org.opencontainers.image.source": contents.SOURCE,
            "org.opencontainers.image.title": contents.TITLE,
            "org.opencontainers.image.url": contents.SOURCE,
            "org.opencontainers.image.vendor": "The KubeMacPool authors",
            "org.opencontainers.image.version": self.version,
        }


class Archive:
    """An OCI layout in a tar, as `skopeo`, `podman load`, `kind load image-archive` and `ctr images import` read it."""

    def __init__(self, made: Made) -> None:
        self._made = made
        self._manifests: list[dict[str, Any]] = []
        self._blobs: dict[str, Path | bytes] = {}

    def add(self, platform: Platform, layers: Sequence[Layer]) -> str:
        """Add the image of a platform, and return its digest."""
        labels = self._made.annotations()
        config = self._put(
            f"{_MEDIA}config.v1+json",
            {
                "architecture": platform.architecture,
                "os": "linux",
                "created": self._made.created,
                "config": {
                    "User": f"{contents.USER}:{contents.USER}",
                    "ExposedPorts": {f"{port}/tcp": {} for port in contents.PORTS},
                    "Env": list(contents.ENVIRONMENT),
                    "Entrypoint": ["kubemacpool"],
                    "Cmd": ["manager"],
                    "WorkingDir": "/",
                    "StopSignal": "SIGTERM",
                    "Labels": labels,
                },
                "rootfs": {"type": "layers", "diff_ids": [layer.diff_id for layer in layers]},
                "history": [{"created": self._made.created, "created_by": layer.purpose} for layer in layers],
            },
        )
        for layer in layers:
            self._blobs[layer.blob.digest] = layer.blob.path
        manifest = self._put(
            f"{_MEDIA}manifest.v1+json",
            {
                "schemaVersion": 2,
                "mediaType": f"{_MEDIA}manifest.v1+json",
                "config": config,
                "layers": [
                    {"mediaType": f"{_MEDIA}layer.v1.tar+gzip", "digest": each.blob.digest, "size": each.blob.size}
                    for each in layers
                ],
                "annotations": labels,
            },
        )
        described = {"architecture": platform.architecture, "os": "linux"}
        self._manifests.append({**manifest, "platform": described | _variant(platform)})
        return str(manifest["digest"])

    def write(self, target: Path) -> str:
        """Write the archive, and return the digest of the index of its platforms: the image's, wherever it goes."""
        index = self._put(
            f"{_MEDIA}index.v1+json",
            {
                "schemaVersion": 2,
                "mediaType": f"{_MEDIA}index.v1+json",
                "manifests": self._manifests,
                "annotations": self._made.annotations(),
            },
        )
        tag = f"v{self._made.version}"
        names = {
            "io.containerd.image.name": f"{contents.REPOSITORY}:{tag}",
            "org.opencontainers.image.ref.name": tag,
        }
        entry = {"schemaVersion": 2, "manifests": [{**index, "annotations": names}]}
        with tarfile.open(target, "w", format=tarfile.PAX_FORMAT) as tar:
            _add(tar, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add(tar, "index.json", _json(entry))
            for digest, content in sorted(self._blobs.items()):
                name = f"blobs/{digest.replace(':', '/')}"
                _add(tar, name, content if isinstance(content, bytes) else content.read_bytes())
        return str(index["digest"])

    def _put(self, media: str, content: object) -> dict[str, Any]:
        data = _json(content)
        digest = f"sha256:{hashlib.sha256(data).hexdigest()}"
        self._blobs[digest] = data
        return {"mediaType": media, "digest": digest, "size": len(data)}


def compressed(layers: Iterable[Layer]) -> int:
    """Count the bytes that a node pulls."""
    return sum(layer.blob.size for layer in layers)


def _variant(platform: Platform) -> dict[str, str]:
    return {"variant": "v8"} if platform.architecture == "arm64" else {}


def _json(content: object) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    entry = tarfile.TarInfo(name)
    entry.size, entry.mode = len(content), 0o644
    tar.addfile(entry, io.BytesIO(content))
