"""An image of this checkout to try a change on real nodes, made in a second from what the development environment has.

It holds the interpreter that runs this, the locked packages and the source. What users get is the image of the
Dockerfile; the two have the same command, user and variables.
"""

from __future__ import annotations

import io
import re
import subprocess
import sys
import sysconfig
import tarfile
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.files import write_atomically
from devcluster.realnodes.images import docker_archive
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterator

RUNTIME = REPOSITORY / "requirements" / "runtime.txt"
PROGRAM = "opt/kubemacpool/bin/kubemacpool"
PACKAGES = "opt/kubemacpool/packages"
# Parts of the standard library that are big and that no server needs.
LEFT_OUT = frozenset(
    {"dist-packages", "ensurepip", "idlelib", "lib2to3", "site-packages", "test", "tkinter", "turtledemo"}
)
USER = 65532
_LIBRARY = re.compile(r"(?:=> )?(/\S+) \(0x")


def write(archive: Path, name: str) -> Path:
    """Write the archive of an image with this name."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for source, place in sorted(_contents().items(), key=lambda item: item[1]):
            member = tar.gettarinfo(source, place)
            member.uid = member.gid = 0
            member.uname = member.gname = ""
            with source.open("rb") as stream:
                tar.addfile(member, stream)
        script = f"#!{_interpreter()}\nfrom kubemacpool.cli.main import main\nmain()\n".encode()
        member = tarfile.TarInfo(PROGRAM)
        member.size, member.mode = len(script), 0o755
        tar.addfile(member, io.BytesIO(script))
    config: dict[str, object] = {
        "Entrypoint": ["kubemacpool"],
        "Cmd": ["manager"],
        "User": f"{USER}:{USER}",
        "Env": [
            f"PATH=/{Path(PROGRAM).parent}",
            f"PYTHONPATH=/{PACKAGES}",
            "PYTHONDONTWRITEBYTECODE=1",
            "PYTHONUNBUFFERED=1",
        ],
    }
    write_atomically(archive, docker_archive(layer.getvalue(), config, [name]))
    return archive


def _contents() -> dict[Path, str]:
    """Every file of the image, by where it is here."""
    found = {_interpreter(): str(_interpreter()).lstrip("/")}
    standard = Path(sysconfig.get_path("stdlib", vars={"installed_base": sys.base_prefix, "base": sys.base_prefix}))
    for path in _files(standard, LEFT_OUT):
        found[path] = str(path).lstrip("/")
    for path in _files(REPOSITORY / "src", frozenset()):
        found[path] = f"{PACKAGES}/{path.relative_to(REPOSITORY / 'src')}"
    for distribution in _distributions():
        for file in distribution.files or ():
            path = Path(str(distribution.locate_file(file)))
            if ".." not in file.parts and path.is_file():
                found[path] = f"{PACKAGES}/{file}"
    binaries = [path for path in found if path.suffix == ".so" or ".so." in path.name] + [_interpreter()]
    for path in _libraries(binaries):
        found[path.resolve()] = str(path).lstrip("/")
    return found


def _interpreter() -> Path:
    return Path(sys.executable).resolve()


def _files(top: Path, left_out: frozenset[str]) -> Iterator[Path]:
    for path in top.rglob("*"):
        if path.is_file() and path.suffix != ".a" and not left_out & set(path.relative_to(top).parts):
            yield path


def _distributions() -> Iterator[metadata.Distribution]:
    locked = re.findall(r"^([\w.-]+)==", RUNTIME.read_text(encoding="utf-8"), re.MULTILINE)
    # Of our own package the files stand elsewhere, as it is installed for editing; what is said of it is here.
    for name in ("kubemacpool", *locked):
        try:
            yield metadata.distribution(name)
        except metadata.PackageNotFoundError:
            # Locked for another platform.
            continue


def _libraries(binaries: list[Path]) -> set[Path]:
    """Find what the programs and modules are linked to, under the names by which they ask for it."""
    told = subprocess.run(["ldd", *binaries], check=False, capture_output=True, text=True).stdout
    return {Path(path) for path in _LIBRARY.findall(told)}
