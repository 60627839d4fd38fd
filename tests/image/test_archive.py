"""The archive is an OCI image of two platforms that says what it is, is small, and comes out the same each time."""

from __future__ import annotations

import hashlib
import io
import tarfile
import tomllib
from typing import TYPE_CHECKING, Final

import pytest
from tests.image.conftest import TREE, Build

if TYPE_CHECKING:
    from pathlib import Path

    from tests.image.oci import Archive

PLATFORMS: Final = ("linux/amd64", "linux/arm64")
MOST_COMPRESSED: Final = 60_000_000
VERSION: Final = tomllib.loads((TREE / "pyproject.toml").read_text())["project"]["version"]


def test_two_builds_give_one_digest_and_the_files_that_the_dockerfile_takes(
    build: Build, roots: dict[str, Path], tmp_path: Path
) -> None:
    again = Build(tmp_path / "out", "PLATFORM=linux/amd64", f"ROOT={tmp_path / 'root'}")
    assert list(again.archive.platforms) == ["linux/amd64"]
    assert again.archive.platforms["linux/amd64"] == build.archive.platforms["linux/amd64"]
    assert listed(tmp_path / "root") == listed(roots["linux/amd64"])


def listed(root: Path) -> dict[str, tuple[int, bytes]]:
    """Every file and link of a root, with its mode and content."""
    return {
        str(path.relative_to(root)): (
            path.lstat().st_mode,
            bytes(path.readlink()) if path.is_symlink() else path.read_bytes(),
        )
        for path in root.rglob("*")
        if path.is_symlink() or path.is_file()
    }


def test_the_archive_names_one_image_of_both_platforms(archive: Archive) -> None:
    assert tuple(archive.platforms) == PLATFORMS
    # containerd and podman go by the first, skopeo by the second.
    assert archive.entry.annotations == {
        "io.containerd.image.name": f"localhost/kubemacpool:v{VERSION}",
        "org.opencontainers.image.ref.name": f"v{VERSION}",
    }


def test_nothing_is_in_the_archive_that_nothing_names(archive: Archive) -> None:
    manifests = [archive.manifest(platform) for platform in PLATFORMS]
    named = {archive.entry.digest} | {each.digest for each in archive.platforms.values()}
    named |= {each.digest for manifest in manifests for each in (manifest.config, *manifest.layers)}
    blobs = {name.removeprefix("blobs/").replace("/", ":") for name in archive.files if name.startswith("blobs/")}
    assert blobs == named


@pytest.mark.parametrize("platform", PLATFORMS)
def test_the_configuration_belongs_to_its_layers_and_runs_the_manager_as_nobody_in_particular(
    archive: Archive, platform: str
) -> None:
    config = archive.config(platform)
    assert f"{config.os}/{config.architecture}" == platform
    assert config.rootfs.diff_ids == [f"sha256:{hashlib.sha256(each).hexdigest()}" for each in archive.layers(platform)]
    assert config.config.user == "65532:65532"
    assert config.config.entrypoint + config.config.cmd == ["kubemacpool", "manager"]


@pytest.mark.parametrize("platform", PLATFORMS)
def test_its_labels_are_those_of_the_specification(archive: Archive, platform: str) -> None:
    labels = archive.config(platform).config.labels
    assert labels == archive.manifest(platform).annotations
    assert all(name.startswith("org.opencontainers.image.") for name in labels)
    kinds = {name.rpartition(".")[2] for name in labels}
    assert {"created", "version", "revision", "source", "licenses", "title", "description"} <= kinds
    assert labels["org.opencontainers.image.version"] == VERSION
    assert labels["org.opencontainers.image.licenses"] == "Apache-2.0"


@pytest.mark.parametrize("platform", PLATFORMS)
def test_a_node_pulls_less_than_60_megabytes(archive: Archive, platform: str) -> None:
    assert sum(layer.size for layer in archive.manifest(platform).layers) < MOST_COMPRESSED


@pytest.mark.parametrize("platform", PLATFORMS)
def test_layers_are_owned_by_root_have_no_dates_and_give_no_rights(archive: Archive, platform: str) -> None:
    for layer in archive.layers(platform):
        with tarfile.open(fileobj=io.BytesIO(layer)) as tar:
            for entry in tar:
                assert (entry.uid, entry.gid, entry.mtime) == (0, 0, 0), entry.name
                allowed = {0o777} if entry.issym() else {0o755, 0o1777} if entry.isdir() else {0o644, 0o755}
                assert entry.mode in allowed, entry.name


def test_another_commit_leaves_the_layers_of_debian_and_of_the_wheels_as_they_are(archive: Archive) -> None:
    """Else each release would be pulled whole; that they have no dates is why."""
    first, second, _ = archive.manifest("linux/amd64").layers
    assert {first.digest, second.digest}.isdisjoint(each.digest for each in archive.manifest("linux/arm64").layers)
    assert first.size + second.size > 30 * archive.manifest("linux/amd64").layers[-1].size
