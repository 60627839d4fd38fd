"""Debian packages unpacked, as far as the image wants them, without dpkg."""

from __future__ import annotations

import io
import re
import tarfile
from pathlib import Path, PurePosixPath

from image.contents import LEFT_OUT

_MERGED = re.compile(r"(bin|sbin|lib|lib64)(/|$)")
_LEFT_OUT = re.compile("|".join(f"(?:{pattern})" for pattern in LEFT_OUT))
_AR_MAGIC = b"!<arch>\n"
_AR_HEADER = 60


def unpack(package: Path, root: Path) -> str:
    """Unpack a package under a root whose /lib is /usr/lib, and return the package's control file."""
    with _member(package, "data.tar") as data:
        for entry in data:
            path = merged(entry.name)
            if entry.isdir() or _LEFT_OUT.match(path):
                continue
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            if entry.issym():
                target.symlink_to(_merged_link(entry.linkname))
                continue
            content = data.extractfile(entry)  # follows hard links
            if content is None:
                message = f"{package}: {entry.name} is neither a file nor a link"
                raise ValueError(message)
            target.write_bytes(content.read())
            target.chmod(0o755 if entry.mode & 0o100 else 0o644)
    with _member(package, "control.tar") as control:
        text = control.extractfile("./control")
        assert text is not None, package  # noqa: S101 - every package has one
        return text.read().decode()


def merged(name: str) -> str:
    """Write a path of a package as it is in a root with a merged /usr."""
    path = str(PurePosixPath("/", name)).lstrip("/")
    return f"usr/{path}" if _MERGED.match(path) else path


def _merged_link(target: str) -> str:
    return f"/{merged(target)}" if target.startswith("/") else target


def _member(package: Path, prefix: str) -> tarfile.TarFile:
    """Open a tar in the ar archive that a package is."""
    content = package.read_bytes()
    position = len(_AR_MAGIC)
    while position < len(content):
        header = content[position : position + _AR_HEADER]
        name, size = header[:16].decode().strip().rstrip("/"), int(header[48:58])
        position += _AR_HEADER
        if name.startswith(prefix):
            return tarfile.open(fileobj=io.BytesIO(content[position : position + size]))
        position += size + size % 2
    message = f"{package} has no {prefix}: it is no Debian package"
    raise ValueError(message)
