"""The three directories that become layers: Debian's, the locked wheels', and ours, each pulled when it changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from image.contents import PYTHON, USER
from image.debs import unpack
from image.packages import Apt, Package, fetch, locked

if TYPE_CHECKING:
    from pathlib import Path

    from image.contents import Platform

_FILES = {
    "etc/passwd": f"root:x:0:0:root:/root:/sbin/nologin\nkubemacpool:x:{USER}:{USER}::/nonexistent:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nkubemacpool:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


def debian(platform: Platform, root: Path, cache: Path) -> list[Package]:
    """Unpack the locked packages under a root."""
    for name in ("bin", "lib", "lib64", "sbin"):
        (root / "usr" / name).mkdir(parents=True)
        (root / name).symlink_to(f"usr/{name}")
    for name in ("dev", "etc", "proc", "run", "sys", "tmp", "var/lib/dpkg/status.d"):
        (root / name).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    for name, text in _FILES.items():
        (root / name).write_text(text, encoding="utf-8")
    packages = locked(platform.architecture)
    apt = Apt(platform.architecture, cache / f"apt-{platform.architecture}")
    for package in packages:
        control = unpack(fetch(package, apt, cache / "debs"), root)
        # Where scanners look for packages in an image without dpkg.
        (root / "var/lib/dpkg/status.d" / package.name).write_text(control, encoding="utf-8")
    return packages


def standard_library(root: Path) -> Path:
    """Return where the standard library is under a root."""
    return root / "usr/lib" / f"python{PYTHON}"
