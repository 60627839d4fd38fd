"""The image, built once by the verb that people use."""

from __future__ import annotations

import io
import os
import subprocess
import tarfile
from pathlib import Path

import pytest
from tests.image.oci import Archive

if "VERSION_CODENAME=bookworm" not in Path("/etc/os-release").read_text(encoding="utf-8"):
    pytest.skip("the image is made of packages of Debian 12, from this machine's apt sources", allow_module_level=True)

TREE = Path(__file__).parents[2]


class Build:
    """Runs `make image`, and tells what came of it."""

    def __init__(self, out: Path, *variables: str) -> None:
        # A make that runs the tests hands its own flags and jobs down.
        environment = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "MFLAGS"))}
        command = ["make", "-C", str(TREE), "--no-print-directory", "image", f"OUT={out}", *variables]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"
        self.out = out
        (self.path,) = out.glob("*.oci.tar")
        self.archive = Archive(self.path)


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The image for all platforms."""
    return Build(tmp_path_factory.mktemp("image"))


@pytest.fixture(scope="session")
def archive(build: Build) -> Archive:
    """Its archive."""
    return build.archive


@pytest.fixture(scope="session")
def roots(archive: Archive, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The root file systems, by platform, unpacked."""
    made = {}
    for platform in archive.platforms:
        made[platform] = root = tmp_path_factory.mktemp("root")
        root.chmod(0o755)
        for layer in archive.layers(platform):
            with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
                tar.extractall(root, filter="tar")
    return made
