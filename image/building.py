"""One image for every platform, from the lock files and the tree."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image import linking, roots, sbom, wheels
from image.archive import Archive, Made, compressed
from image.contents import MODULES, NAME, Platform
from image.interpreter import Interpreter, native
from image.layers import Layer, layer

if TYPE_CHECKING:
    from collections.abc import Sequence

    from image.packages import Package


class UnbuildableError(Exception):
    """The image cannot be made as asked; the message says why."""


@dataclass(frozen=True, slots=True)
class Tools:
    """What a build uses of the machine."""

    uv: Path
    cache: Path


@dataclass(frozen=True, slots=True)
class Built:
    """What a build made: the archive, the documents beside it, and what they are called."""

    archive: Path
    digest: str
    sizes: dict[str, int]


def build(platforms: Sequence[Platform], tools: Tools, out: Path, root: Path | None = None) -> Built:
    """Make the archive and its bills of materials in a directory.

    Args:
        platforms: of the image.
        tools: what is used of the machine.
        out: where the archive goes.
        root: where the root file system of the last platform goes, for those who put it into an image by other means.

    Raises:
        UnbuildableError: a library is missing, or the commit is not known.
        PackageError: a locked package cannot be had.
        NotImplementedError: this machine's platform is not one of ours.
    """
    made = _made()
    out.mkdir(parents=True, exist_ok=True)
    archive, sizes = Archive(made), {}
    with tempfile.TemporaryDirectory(dir=out, prefix="work-") as folder:
        work = Path(folder)
        wheel = wheels.build_ours(work / "wheel", made.epoch)
        # The interpreter of this machine's platform compiles for all: byte code is the same everywhere.
        first = native()
        packages = {first: roots.debian(first, work / first.architecture / "debian", tools.cache)}
        interpreter = Interpreter(work / first.architecture / "debian")
        for platform in platforms:
            place = work / platform.architecture
            if platform not in packages:
                packages[platform] = roots.debian(platform, place / "debian", tools.cache)
            layers = _Platform(platform, place, tools, interpreter).layers(packages[platform], wheel, made)
            archive.add(platform, layers)
            if root is not None:
                for part in _PARTS:
                    shutil.copytree(place / part, root, symlinks=True, dirs_exist_ok=True)
            sizes[platform.name] = compressed(layers)
            inside = place / "ours" / _SBOM
            shutil.copyfile(inside, out / f"{NAME}-{made.version}-{platform.architecture}.cdx.json")
        target = out / f"{NAME}-{made.version}.oci.tar"
        digest = archive.write(target)
    return Built(target, digest, sizes)


_PARTS = ("debian", "wheels", "ours")
_SBOM = f"usr/share/doc/{NAME}/sbom.cdx.json"


@dataclass(frozen=True, slots=True)
class _Platform:
    platform: Platform
    root: Path
    tools: Tools
    interpreter: Interpreter

    def layers(self, packages: list[Package], wheel: Path, made: Made) -> list[Layer]:
        """Fill the directories that are not there yet, and pack them."""
        base, locked, ours = (self.root / name for name in _PARTS)
        distributions = wheels.install_locked(self.tools.uv, self.platform, locked)
        distributions += wheels.install_ours(self.tools.uv, self.platform, wheel, ours)
        if missing := linking.missing((base, locked, ours)):
            message = "Libraries are missing; image/contents.py lists the packages:\n" + "\n".join(missing)
            raise UnbuildableError(message)
        components = [sbom.debian(package, self.platform, base) for package in packages]
        components += [sbom.python(distribution) for distribution in distributions]
        bill = ours / _SBOM
        bill.parent.mkdir(parents=True)
        bill.write_text(sbom.document(self.platform, made.version, made.epoch, components), encoding="utf-8")
        self.interpreter.compile(roots.standard_library(base), base)
        self.interpreter.compile(locked / MODULES, locked)
        self.interpreter.compile(ours / MODULES, ours)
        parts = (
            (base, "Debian packages of image/packages-*.lock"),
            (locked, "wheels of requirements/runtime.txt"),
            (ours, f"{NAME} {made.version}"),
        )
        return [layer(part, part.with_suffix(".tar.gz"), purpose, self.interpreter) for part, purpose in parts]


def _made() -> Made:
    project = tomllib.loads((wheels.TREE / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    epoch = int(os.environ.get("SOURCE_DATE_EPOCH") or _git("log", "-1", "--format=%ct"))
    return Made(str(project["version"]), os.environ.get("REVISION") or _revision(), epoch)


def _revision() -> str:
    revision = _git("rev-parse", "HEAD")
    sources = ("src", "config", "image", "requirements", "pyproject.toml", "README.md", "LICENSE")
    return f"{revision}-dirty" if _git("status", "--porcelain", "--", *sources) else revision


def _git(*arguments: str) -> str:
    try:
        done = subprocess.run(["git", "-C", str(wheels.TREE), *arguments], capture_output=True, text=True, check=True)
    except (OSError, subprocess.CalledProcessError) as error:
        message = (
            f"The image names the commit that it is made from, and git does not tell it ({error}). "
            "Without git, set SOURCE_DATE_EPOCH and REVISION."
        )
        raise UnbuildableError(message) from error
    return done.stdout.strip()
