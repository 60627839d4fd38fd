"""Building the wheel, the single file, and what krew needs to know of it."""

import hashlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipapp
from pathlib import Path
from typing import Final, NamedTuple

TREE: Final = Path(__file__).parents[1]
LOCK: Final = TREE / "requirements" / "cli.txt"
NAME: Final = "kubectl-macpool"
SHEBANG: Final = "/usr/bin/env python3"

_MANIFEST: Final = """\
# krew: kubectl krew install --manifest=macpool.yaml
apiVersion: krew.googlecontainertools.github.com/v1alpha2
kind: Plugin
metadata:
  name: macpool
spec:
  version: v{version}
  homepage: https://github.com/k8snetworkplumbingwg/kubemacpool
  shortDescription: Who has which MAC address
  description: |
    Lists the MAC addresses of pods and virtual machines, finds collisions, and fills free addresses into manifests.
  caveats: |
    Python {python} or later has to be installed.
  platforms:
    - selector:
        matchLabels:
          os: linux
          arch: {architecture}
      uri: {uri}
      sha256: {sha256}
      bin: {name}
      files:
        - from: {name}
          to: .
        - from: LICENSE
          to: .
"""

_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


class Built(NamedTuple):
    """What was built.

    Attributes:
        wheel: of the package.
        single_file: the command line with everything that it needs, but Python.
        archive: the same as krew wants it.
        manifest: what krew reads.
    """

    wheel: Path
    single_file: Path
    archive: Path
    manifest: Path


def build(uv: Path, out: Path, uri: str = "") -> Built:
    """Build everything for this machine's kind, with the Python that runs.

    Args:
        uv: installs the locked dependencies.
        out: where everything is put.
        uri: where the archive will be published; its own path by default.
    """
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    wheel = build_wheel(out)
    single_file = out / NAME
    with tempfile.TemporaryDirectory() as folder:
        modules = Path(folder) / "modules"
        _install(uv, modules, "--require-hashes", "--requirement", str(LOCK))
        _install(uv, modules, "--no-deps", "--no-index", "--find-links", str(out), "kubemacpool")
        shutil.rmtree(modules / "bin", ignore_errors=True)
        shutil.copy(TREE / "plugin" / "bootstrap.py", modules / "_bootstrap.py")
        zipapp.create_archive(modules, single_file, SHEBANG, "_bootstrap:main", compressed=True)
    single_file.chmod(0o755)
    version = wheel.name.split("-")[1]
    architecture = _ARCHITECTURES.get(platform.machine(), platform.machine())
    archive = out / f"{NAME}-v{version}-linux-{architecture}.tar.gz"
    with tarfile.open(archive, "w:gz") as packed:
        packed.add(single_file, NAME)
        packed.add(TREE / "LICENSE", "LICENSE")
    manifest = out / "macpool.yaml"
    manifest.write_text(
        _MANIFEST.format(
            version=version,
            python=f"{sys.version_info.major}.{sys.version_info.minor}",
            architecture=architecture,
            uri=uri or archive.as_uri(),
            sha256=hashlib.sha256(archive.read_bytes()).hexdigest(),
            name=NAME,
        ),
        encoding="utf-8",
    )
    return Built(wheel, single_file, archive, manifest)


def build_wheel(out: Path) -> Path:
    """Build our wheel from the tree."""
    hatchling = Path(sys.executable).with_name("hatchling")
    subprocess.run([hatchling, "build", "-t", "wheel", "-d", out], cwd=TREE, check=True, stdout=subprocess.DEVNULL)
    (wheel,) = out.glob("*.whl")
    return wheel


def _install(uv: Path, target: Path, *what: str) -> None:
    where: list[str | Path] = ["--python", sys.executable, "--target", target, "--link-mode=copy"]
    subprocess.run([uv, "pip", "install", "--quiet", *where, *what], check=True)
