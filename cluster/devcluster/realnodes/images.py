"""Images for the nodes: archives, made here without a container engine and imported by each node's containerd."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import tarfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.files import write_atomically
from devcluster.realnodes import files
from devcluster.realnodes.needs import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.realnodes.machine import Machine

# What the nodes' own image is also called: demos and tests name it, and it cannot be pulled here.
PAUSE_NAMES = (files.PAUSE_IMAGE, "registry.k8s.io/pause:3.10")
APPLETS = ("cat", "ip", "ls", "nc", "ping", "ps", "sh", "sleep")
ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}
IMPORTED = "image.tar"
CTR = ("ctr", f"--address={files.CONTAINERD_SOCKET}", "--namespace=k8s.io", "images")


def pause_archive(directory: Path, pause: Path) -> Path:
    """Make the image of pods' first containers: a program that waits, and a busybox to look around with."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        _add(tar, "pause", pause.read_bytes())
        _add(tar, "bin/busybox", Path(PACKAGES["busybox-static"]).read_bytes())
        for applet in APPLETS:
            link = tarfile.TarInfo(f"bin/{applet}")
            link.type, link.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(link)
    config: dict[str, object] = {"Entrypoint": ["/pause"], "Env": ["PATH=/bin"], "User": "65535:65535"}
    archive = directory / "pause.tar"
    write_atomically(archive, docker_archive(layer.getvalue(), config, PAUSE_NAMES))
    return archive


def architecture() -> str:
    """Name this machine's processor as images do."""
    return ARCHITECTURES.get(platform.machine(), platform.machine())


def load(machines: Sequence[Machine], archive: Path) -> bool:
    """Import an archive (OCI's or Docker's) on nodes; tell whether any of them had not the same before.

    Raises:
        CommandError: containerd does not take it.
    """
    content = archive.read_bytes()
    with ThreadPoolExecutor() as pool:
        return any(list(pool.map(lambda machine: _load(machine, content), machines)))


def _load(machine: Machine, content: bytes) -> bool:
    before = _listed(machine)
    # A file of the host is not seen from within; one of the node's own directory is.
    inside = machine.directory / "root" / IMPORTED
    inside.write_bytes(content)
    try:
        machine.run(*CTR, "import", f"/{IMPORTED}")
    finally:
        inside.unlink()
    return _listed(machine) != before


def _listed(machine: Machine) -> set[tuple[str, ...]]:
    """Name the images that a node has, with their digests."""
    lines = machine.run(*CTR, "list").splitlines()[1:]
    return {(name, digest) for name, _, digest, *_ in (line.split() for line in lines)}


def _add(tar: tarfile.TarFile, name: str, content: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size, member.mode = len(content), 0o755
    tar.addfile(member, io.BytesIO(content))


def docker_archive(layer: bytes, config: dict[str, object], names: Sequence[str]) -> bytes:
    """Put one layer into an archive as `docker save` writes it, which every containerd reads."""
    diff = f"sha256:{hashlib.sha256(layer).hexdigest()}"
    image = json.dumps(
        {
            "architecture": architecture(),
            "os": "linux",
            "config": config,
            "rootfs": {"type": "layers", "diff_ids": [diff]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(image).hexdigest()}.json"
    manifest = json.dumps([{"Config": config_name, "RepoTags": list(names), "Layers": ["layer.tar"]}]).encode()
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for name, content in ((config_name, image), ("layer.tar", layer), ("manifest.json", manifest)):
            _add(tar, name, content)
    return whole.getvalue()
