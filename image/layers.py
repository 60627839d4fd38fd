"""A directory as a layer of the OCI image specification: the same content gives the same bytes."""

from __future__ import annotations

import hashlib
import stat
import tarfile
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from image.interpreter import Interpreter


@dataclass(frozen=True, slots=True)
class Blob:
    """A file that is named by its content."""

    path: Path
    digest: str
    size: int


@dataclass(frozen=True, slots=True)
class Layer:
    """A compressed layer, what it would be called uncompressed, and what is in it."""

    blob: Blob
    diff_id: str
    purpose: str


def layer(root: Path, target: Path, purpose: str, interpreter: Interpreter) -> Layer:
    """Pack a directory: sorted, owned by root, without dates, so that what did not change is not pulled again."""
    plain = target.with_suffix(".tar")
    with tarfile.open(plain, "w", format=tarfile.PAX_FORMAT) as tar:
        for path in sorted(root.rglob("*")):
            entry = tarfile.TarInfo(str(path.relative_to(root)))
            mode = path.lstat().st_mode
            if path.is_symlink():
                entry.type, entry.mode, entry.linkname = tarfile.SYMTYPE, 0o777, str(path.readlink())
                tar.addfile(entry)
            elif path.is_dir():
                entry.type, entry.mode = tarfile.DIRTYPE, 0o1777 if mode & stat.S_ISVTX else 0o755
                tar.addfile(entry)
            else:
                entry.size, entry.mode = path.stat().st_size, 0o755 if mode & stat.S_IXUSR else 0o644
                with path.open("rb") as file:
                    tar.addfile(entry, file)
    interpreter.compress(plain, target)
    diff_id = blob(plain).digest
    plain.unlink()
    return Layer(blob(target), diff_id, purpose)


def blob(path: Path) -> Blob:
    """Name a file by its content."""
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    return Blob(path, f"sha256:{digest}", path.stat().st_size)
