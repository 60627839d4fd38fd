"""Locked packages: what comes in their place is refused, and what is no longer offered is said with the remedy."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

import pytest
from image.contents import LEFT_OUT, PACKAGES, PLATFORMS
from image.debs import merged
from image.packages import Apt, Package, PackageError, fetch, locked

from image import packages

if TYPE_CHECKING:
    from pathlib import Path

CONTENT = b"a package"
DIGEST = hashlib.sha256(CONTENT).hexdigest()


class Offering(Apt):
    """Offers this content for every package (a mirror that lies)."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self.asked: list[Package] = []

    def download(self, package: Package, target: Path) -> None:
        """Have it."""
        self.asked.append(package)
        target.write_bytes(self._content)


def test_a_package_is_downloaded_once(tmp_path: Path) -> None:
    apt, package = Offering(CONTENT), Package("a", "1", DIGEST)
    assert fetch(package, apt, tmp_path).read_bytes() == CONTENT
    assert fetch(package, apt, tmp_path).read_bytes() == CONTENT
    assert apt.asked == [package]


def test_a_package_that_is_not_what_was_locked_is_refused_and_not_kept(tmp_path: Path) -> None:
    package = Package("a", "1", "0" * 64)
    with pytest.raises(PackageError, match=f"a=1 has the SHA-256 {DIGEST}, the lock says 0000"):
        fetch(package, Offering(CONTENT), tmp_path)
    assert not list(tmp_path.glob("*.deb"))


def test_a_version_that_is_no_longer_offered_is_said_with_the_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("apt-get", "apt-cache"):
        program = tmp_path / "bin" / name
        program.parent.mkdir(exist_ok=True)
        program.write_text('#!/bin/sh\ncase "$*" in *download*) echo "E: Version not found" >&2; exit 100;; esac\n')
        program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    apt = Apt("amd64", tmp_path / "state")
    with pytest.raises(PackageError) as refused:
        fetch(Package("libssl3", "3.0.1-1", DIGEST), apt, tmp_path / "cache")
    text = str(refused.value)
    assert text.startswith(
        "packages-amd64.lock locks libssl3=3.0.1-1, and the apt sources of this machine do not offer"
    )
    assert "`make image-lock`" in text
    assert text.endswith("E: Version not found")


def test_a_lock_of_other_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lock = tmp_path / "packages-amd64.lock"
    lock.write_text(f"# comment\nlibc6 1 {DIGEST}\n")
    monkeypatch.setattr(packages, "lock_file", lambda _: lock)
    with pytest.raises(PackageError, match=r"packages-amd64\.lock does not list the packages"):
        locked("amd64")


@pytest.mark.parametrize("platform", PLATFORMS, ids=lambda platform: platform.name)
def test_each_platform_has_a_lock_of_the_same_packages(platform: object) -> None:
    architecture = getattr(platform, "architecture", "")
    assert {package.name for package in locked(architecture)} == set(PACKAGES)
    assert all(len(package.sha256) == 64 for package in locked(architecture))
    assert LEFT_OUT


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("./lib/x86_64-linux-gnu/libc.so.6", "usr/lib/x86_64-linux-gnu/libc.so.6"),
        ("./lib64/ld-linux-x86-64.so.2", "usr/lib64/ld-linux-x86-64.so.2"),
        ("./usr/lib/os-release", "usr/lib/os-release"),
        ("./libexec/a", "libexec/a"),
    ],
)
def test_packages_are_unpacked_as_if_usr_was_merged(name: str, path: str) -> None:
    assert merged(name) == path
