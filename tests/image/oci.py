"""An OCI archive, read as the image specification says and by nothing of what wrote it."""

from __future__ import annotations

import gzip
import hashlib
import tarfile
from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from pathlib import Path


class Descriptor(msgspec.Struct, rename={"media_type": "mediaType"}):
    """What a blob is, and its name."""

    media_type: str
    digest: str
    size: int
    platform: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Index(msgspec.Struct, rename="camel"):
    """Manifests to choose from."""

    schema_version: int
    manifests: list[Descriptor]


class Manifest(msgspec.Struct, rename="camel"):
    """The image of one platform."""

    schema_version: int
    media_type: str
    config: Descriptor
    layers: list[Descriptor]
    annotations: dict[str, str]


class Execution(msgspec.Struct, rename="pascal"):
    """How a container of it is run."""

    user: str
    entrypoint: list[str]
    cmd: list[str]
    env: list[str]
    labels: dict[str, str]


class RootFs(msgspec.Struct):
    """The layers, uncompressed."""

    diff_ids: list[str]


class Config(msgspec.Struct):
    """The configuration of an image."""

    architecture: str
    os: str
    created: str
    config: Execution
    rootfs: RootFs


class Archive:
    """The archive, with every blob checked against its name and size."""

    def __init__(self, path: Path) -> None:
        with tarfile.open(path) as tar:
            self.files = {entry.name: tar.extractfile(entry).read() for entry in tar if entry.isfile()}  # type: ignore[union-attr]
        assert msgspec.json.decode(self.files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
        (self.entry,) = msgspec.json.decode(self.files["index.json"], type=Index).manifests
        index = msgspec.json.decode(self.blob(self.entry), type=Index)
        self.platforms = {f"{each.platform['os']}/{each.platform['architecture']}": each for each in index.manifests}

    def blob(self, descriptor: Descriptor) -> bytes:
        """Return what a descriptor names."""
        content = self.files[f"blobs/{descriptor.digest.replace(':', '/')}"]
        assert f"sha256:{hashlib.sha256(content).hexdigest()}" == descriptor.digest
        assert len(content) == descriptor.size
        return content

    def manifest(self, platform: str) -> Manifest:
        """Return the manifest of a platform."""
        return msgspec.json.decode(self.blob(self.platforms[platform]), type=Manifest)

    def config(self, platform: str) -> Config:
        """Return the configuration of a platform's image."""
        return msgspec.json.decode(self.blob(self.manifest(platform).config), type=Config)

    def layers(self, platform: str) -> list[bytes]:
        """Return the layers, uncompressed."""
        return [gzip.decompress(self.blob(each)) for each in self.manifest(platform).layers]
