"""The interpreter of the image, run before there is an image.

It compiles the byte code and the layers: then neither the Python nor the zlib of the machine is in the digest.
"""

from __future__ import annotations

import platform
import subprocess
from typing import TYPE_CHECKING

from image.contents import PLATFORMS, PYTHON, Platform

if TYPE_CHECKING:
    from pathlib import Path

_MACHINES = {"x86_64": "amd64", "aarch64": "arm64"}

_COMPILE = """
import compileall, py_compile, sys
ok = compileall.compile_dir(
    sys.argv[1], quiet=1, force=True, workers=1, maxlevels=99, stripdir=sys.argv[2], prependdir="/",
    invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
)
sys.exit(not ok)
"""

_COMPRESS = """
import gzip, shutil, sys
with open(sys.argv[1], "rb") as plain, open(sys.argv[2], "wb") as target:
    with gzip.GzipFile("", "wb", 6, target, mtime=0) as packed:
        shutil.copyfileobj(plain, packed, 1 << 20)
"""


def native() -> Platform:
    """Return the platform of this machine.

    Raises:
        NotImplementedError: an image cannot be built here.
    """
    machine = platform.machine()
    for candidate in PLATFORMS:
        if platform.system() == "Linux" and candidate.architecture == _MACHINES.get(machine):
            return candidate
    message = f"The image is built on Linux on amd64 or arm64; this is {platform.system()} on {machine}."
    raise NotImplementedError(message)


class Interpreter:
    """Debian's interpreter in an unpacked root, started by the loader beside it."""

    def __init__(self, root: Path) -> None:
        native_platform = native()
        libraries = root / "usr/lib" / native_platform.triplet
        self._command = (
            libraries / native_platform.loader,
            "--library-path",
            libraries,
            root / f"usr/bin/python{PYTHON}",
        )
        self._home = root / "usr"

    def compile(self, folder: Path, root: Path) -> None:
        """Compile what is in a folder; the byte code names the paths below the root, and is never checked again."""
        self._run(_COMPILE, folder, root)

    def compress(self, plain: Path, target: Path) -> None:
        """Compress a file with gzip, without a name and a date."""
        self._run(_COMPRESS, plain, target)

    def _run(self, program: str, *arguments: Path) -> None:
        environment = {"PYTHONHOME": str(self._home), "PYTHONHASHSEED": "0", "PYTHONDONTWRITEBYTECODE": "1"}
        subprocess.run([*self._command, "-Ss", "-c", program, *arguments], env=environment, check=True)
