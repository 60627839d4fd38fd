"""What the single file runs: it unpacks itself once, beside other caches, and goes on from there.

Compiled modules cannot be imported out of an archive. What is unpacked is found by a checksum of the archive, so that
another version has a place of its own, and is put there in one step, so that nobody ever sees a part of it.
"""

import os
import sys
import tempfile
import zipfile
from hashlib import sha256
from pathlib import Path

VARIABLE = "KUBEMACPOOL_CACHE"
"""Names the directory to unpack into, where the usual one cannot be written."""


def main() -> None:
    """Run the command line."""
    archive = Path(sys.argv[0] if zipfile.is_zipfile(sys.argv[0]) else sys.path[0]).resolve()
    usual = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    cache = Path(os.environ.get(VARIABLE) or Path(usual) / "kubemacpool-cli")
    place = cache / sha256(archive.read_bytes()).hexdigest()[:24]
    if not place.is_dir():
        _unpack(archive, place)
    sys.path[0] = str(place)
    sys.path_importer_cache.clear()
    from kubemacpool.cli.main import main as run  # noqa: PLC0415 (it is found only now)

    run()


def _unpack(archive: Path, place: Path) -> None:
    place.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=place.parent) as folder:
        modules = Path(folder) / "modules"
        with zipfile.ZipFile(archive) as packed:
            packed.extractall(modules)
        try:
            modules.rename(place)
        except OSError:
            if not place.is_dir():  # else somebody else was faster
                raise
