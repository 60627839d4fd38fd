"""The wheel, the single file and the plugin, as people install and run them."""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
import yaml
from plugin.building import LOCK, TREE, Built, build

if TYPE_CHECKING:
    from tests.support.installed import Installed

POD: Final = (
    "apiVersion: v1\nkind: Pod\nmetadata:\n  name: a\n  annotations:\n"
    '    k8s.v1.cni.cncf.io/networks: \'[{"name":"x"}]\'\n'
)
COMMANDS: Final = ("assign", "manifests", "completion", "check", "list", "who", "status", "explain", "doctor")


@pytest.fixture(scope="module")
def uv() -> Path:
    """The uv that `make install` has installed."""
    usual = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "kubemacpool"
    with (TREE / "requirements" / "uv.txt").open("rb") as lock:
        checksum = subprocess.run(["cksum"], stdin=lock, capture_output=True, text=True, check=True).stdout.split()[0]
    return Path(os.environ.get("MACPOOL_CACHE") or usual) / f"uv-{checksum}" / "bin" / "uv"


@pytest.fixture(scope="module")
def built(uv: Path, tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Everything that `make plugin` builds."""
    return build(uv, tmp_path_factory.mktemp("plugin") / "out")


@pytest.fixture
def clean(tmp_path: Path) -> dict[str, str]:
    """An environment in which nothing of this tree is found, nor anything that was unpacked before."""
    return {"PATH": f"{Path(sys.executable).resolve().parent}:/usr/bin:/bin", "HOME": str(tmp_path), "COLUMNS": "160"}


def _run(command: list[object], environment: dict[str, str], given: str = "", status: int = 0) -> str:
    ended = subprocess.run(
        list(map(str, command)), input=given, capture_output=True, text=True, env=environment, cwd="/", check=False
    )
    assert ended.returncode == status, ended
    return ended.stdout + ended.stderr


def test_the_single_file_needs_nothing_but_python(built: Built, clean: dict[str, str], tmp_path: Path) -> None:
    assert '"mac":"02:00:00:00:00:01"' in _run([built.single_file, "assign", "-f", "-"], clean, POD)
    (unpacked,) = (tmp_path / ".cache" / "kubemacpool-cli").iterdir()
    before = unpacked.stat().st_mtime_ns
    assert _run([built.single_file, "manifests"], clean) == (TREE / "config/release/kubemacpool.yaml").read_text()
    assert unpacked.stat().st_mtime_ns == before
    assert "install kubemacpool[manager]" in _run([built.single_file, "manager"], clean, status=2)


def test_kubectl_finds_the_plugin(built: Built, clean: dict[str, str], installed: Installed) -> None:
    control_plane = installed.control_plane
    environment = clean | {"KUBECONFIG": str(control_plane.kubeconfig)}
    environment["PATH"] += f":{built.single_file.parent}"
    kubectl = control_plane.layout.kubectl
    assert "Usage: kubectl macpool [OPTIONS]" in _run([kubectl, "macpool", "--help"], environment)
    assert "Leader" in _run([kubectl, "macpool", "status"], environment)


def test_the_wheel_runs_in_an_environment_of_its_own(
    uv: Path, built: Built, clean: dict[str, str], installed: Installed
) -> None:
    cache = (
        os.environ.get("UV_CACHE_DIR")
        or subprocess.run([uv, "cache", "dir"], capture_output=True, text=True, check=True).stdout.strip()
    )
    settings = {key: value for key, value in os.environ.items() if key.startswith(("UV_", "PIP_", "SSL_"))}
    environment = clean | settings | {"UV_CACHE_DIR": cache, "KUBECONFIG": str(installed.control_plane.kubeconfig)}
    tool = [uv, "tool", "run", "--quiet", "--python", sys.executable, "--constraints", LOCK, "--from", built.wheel]
    assert "Leader" in _run([*tool, "kubemacpool", "status"], environment)
    for command in COMMANDS:
        assert f"kubemacpool {command} " in _run([*tool, "kubemacpool", command, "--help"], environment)
    assert "install kubemacpool[manager]" in _run([*tool, "kubemacpool", "manager"], environment, status=2)


def test_krew_finds_in_the_archive_what_its_manifest_says(built: Built) -> None:
    manifest = yaml.safe_load(built.manifest.read_text())
    (platform,) = manifest["spec"]["platforms"]
    assert platform["sha256"] == hashlib.sha256(built.archive.read_bytes()).hexdigest()
    assert platform["uri"] == built.archive.as_uri()
    with tarfile.open(built.archive) as archive:
        assert {each["from"] for each in platform["files"]} == set(archive.getnames())
        assert archive.getmember(platform["bin"]).mode & 0o111
