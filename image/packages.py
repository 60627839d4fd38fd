"""Debian packages: which versions are locked, and how they are had from the machine's own apt configuration."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from image.contents import PACKAGES

if TYPE_CHECKING:
    from collections.abc import Iterable

HEADER = """\
# Debian packages of the image, for {architecture}: name, version, SHA-256. `make image-lock` writes this file.
"""


class PackageError(Exception):
    """A package cannot be had, or is not what the lock says; the message names the remedy."""


@dataclass(frozen=True, slots=True, order=True)
class Package:
    """A Debian package, locked."""

    name: str
    version: str
    sha256: str


def lock_file(architecture: str) -> Path:
    """Name the lock of an architecture."""
    return Path(__file__).with_name(f"packages-{architecture}.lock")


def locked(architecture: str) -> list[Package]:
    """Read the lock.

    Raises:
        PackageError: it is for other packages than those in `contents`.
    """
    path = lock_file(architecture)
    lines = path.read_text(encoding="utf-8").splitlines()
    packages = [Package(*line.split()) for line in lines if not line.startswith("#")]
    if {package.name for package in packages} != set(PACKAGES):
        message = f"{path.name} does not list the packages of image/contents.py. Run `make image-lock`."
        raise PackageError(message)
    return packages


def write_lock(architecture: str, packages: Iterable[Package]) -> None:
    """Write the lock, so that a review shows what changed."""
    lines = "".join(f"{package.name} {package.version} {package.sha256}\n" for package in sorted(packages))
    lock_file(architecture).write_text(HEADER.format(architecture=architecture) + lines, encoding="utf-8")


class Apt:
    """The machine's apt sources, with a state of our own: any architecture, nothing installed, no root."""

    def __init__(self, architecture: str, state: Path) -> None:
        self._architecture = architecture
        self._state = state
        self._updated = False

    def candidates(self, names: Iterable[str]) -> list[Package]:
        """Return the versions that apt would install today."""
        shown = self._run("apt-cache", "show", "--no-all-versions", *names).split("\n\n")
        fields = [_fields(paragraph) for paragraph in shown if paragraph.strip()]
        return [Package(found["Package"], found["Version"], found["SHA256"]) for found in fields]

    def download(self, package: Package, target: Path) -> None:
        """Have a package of exactly this version.

        Raises:
            PackageError: apt does not offer it.
        """
        with_version = f"{package.name}={package.version}"
        folder = self._state / "download" / package.sha256
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        try:
            self._run("apt-get", "download", "--quiet", with_version, cwd=folder)
        except PackageError as error:
            message = (
                f"{lock_file(self._architecture).name} locks {with_version}, and the apt sources of this machine do "
                "not offer that. Where they are those of Debian 12, it was superseded: run `make image-lock`, look at "
                f"the difference and commit it. apt says: {error}"
            )
            raise PackageError(message) from error
        (found,) = folder.iterdir()
        found.rename(target)

    def _run(self, program: str, *arguments: str, cwd: Path | None = None) -> str:
        if not self._updated:
            self._updated = True
            (self._state / "lists" / "partial").mkdir(parents=True, exist_ok=True)
            (self._state / "cache" / "archives" / "partial").mkdir(parents=True, exist_ok=True)
            (self._state / "status").touch()
            self._run("apt-get", "update", "--quiet", "--error-on=any")
        options = {
            "APT::Architecture": self._architecture,
            "APT::Architectures::": self._architecture,
            "APT::Sandbox::User": "root" if os.getuid() == 0 else "",
            "Acquire::Languages": "none",
            "Dir::State": self._state,
            "Dir::State::status": self._state / "status",
            "Dir::Cache": self._state / "cache",
        }
        flags = [f"--option={key}={value}" for key, value in options.items()]
        try:
            done = subprocess.run(
                [program, *flags, *arguments],
                cwd=cwd or self._state,
                env={**os.environ, "LC_ALL": "C.UTF-8"},
                capture_output=True,
                text=True,
                check=False,
            )
        except FileNotFoundError as error:
            message = f"{program} is not on this machine: the image is made of Debian packages, which apt fetches."
            raise PackageError(message) from error
        if done.returncode:
            message = f"{program} {' '.join(arguments)}: {done.stderr.strip()}"
            raise PackageError(message)
        return done.stdout


def fetch(package: Package, apt: Apt, cache: Path) -> Path:
    """Return the locked package from the cache, or have it downloaded.

    Raises:
        PackageError: apt does not offer it, or what came is something else.
    """
    path = cache / f"{package.sha256}.deb"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not path.exists():
            partial = cache / f"{package.sha256}.partial"
            apt.download(package, partial)
            partial.rename(path)
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    if digest != package.sha256:
        path.unlink()
        message = f"{package.name}={package.version} has the SHA-256 {digest}, the lock says {package.sha256}."
        raise PackageError(message)
    return path


def _fields(paragraph: str) -> dict[str, str]:
    lines = (line.partition(": ") for line in paragraph.splitlines() if not line.startswith(" "))
    return {key: value for key, _, value in lines}
