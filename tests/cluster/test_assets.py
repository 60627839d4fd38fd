"""A cached binary is one that would be built the same way now."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest
from typer.testing import CliRunner

from devcluster import assets, toolchain
from devcluster.cli import app
from devcluster.errors import AssetError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def module(tmp_path: Path) -> assets.Module:
    """A copy of etcd's module that may be changed."""
    shutil.copytree(assets.etcd().directory, tmp_path / "etcd")
    return replace(assets.etcd(), directory=tmp_path / "etcd")


def test_the_key_names_tool_version_and_machine(module: assets.Module) -> None:
    assert module.key().startswith(f"etcd-{module.version}-linux-")
    assert module.key() == assets.etcd().key()


@pytest.mark.parametrize("name", ["go.mod", "go.sum"])
def test_the_key_changes_with_what_is_pinned(module: assets.Module, name: str) -> None:
    before = module.key()
    with (module.directory / name).open("a") as stream:
        stream.write("\n// changed\n")

    assert module.key() != before


def test_the_key_changes_with_what_is_built(module: assets.Module) -> None:
    assert replace(module, packages={"etcd": "go.etcd.io/etcd/other"}).key() != module.key()


def test_kubernetes_is_stamped_with_the_pinned_version() -> None:
    module = assets.kubernetes("1.34")

    assert module.version == "v1.34.4"
    assert "-X k8s.io/component-base/version.gitVersion=v1.34.4" in module.link_flags()
    assert "-X k8s.io/component-base/version.gitMinor=34" in module.link_flags()


def test_supplied_assets_are_used_where_they_are(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).touch(mode=0o755)
    found = assets.control_plane_binaries(
        "1.37", controllers=False, progress=print, environment={"KUBEBUILDER_ASSETS": str(tmp_path)}
    )

    assert found == {name: tmp_path / name for name in ("etcd", "kube-apiserver", "kubectl")}


def test_what_supplied_assets_lack_is_named(tmp_path: Path) -> None:
    for name in ("etcd", "kube-apiserver", "kubectl"):
        (tmp_path / name).touch(mode=0o755)

    with pytest.raises(AssetError, match="has no kube-controller-manager, kube-scheduler; put them there, or unset"):
        assets.control_plane_binaries(
            "1.37", controllers=True, progress=print, environment={"KUBEBUILDER_ASSETS": str(tmp_path)}
        )


@pytest.mark.parametrize(
    ("older", "newer"), [("go1.9", "go1.26.0"), ("go1.26.0", "1.26.8"), ("go1.25.9", "1.26"), ("", "1.0")]
)
def test_versions_of_go_compare_as_numbers(older: str, newer: str) -> None:
    assert toolchain.parse_version(older) < toolchain.parse_version(newer)


def test_the_pinned_go_builds_every_module() -> None:
    pinned = toolchain.parse_version(toolchain.pinned_requirement())
    modules = [assets.etcd(), assets.kwok(), assets.kubernetes("1.34"), assets.kubernetes("1.37")]

    assert all(toolchain.parse_version(module.go_version) <= pinned for module in modules)


def test_a_failed_build_says_why_and_leaves_nothing(module: assets.Module, tmp_path: Path) -> None:
    broken = replace(module, packages={"etcd": "go.etcd.io/etcd/server/v3/nowhere"})
    cache = tmp_path / "cache"

    with pytest.raises(AssetError, match=r"go build (?s:.)* failed:\n  (?s:.)*nowhere"):
        assets.built(broken, print, {"MACPOOL_CACHE": str(cache), **toolchain_environment()})
    assert [path.name for path in (cache / "bin").iterdir() if path.is_dir()] == []


def toolchain_environment() -> dict[str, str]:
    """Return what go itself needs of the environment."""
    return {name: value for name, value in os.environ.items() if name in {"PATH", "HOME"} or name.startswith("GO")}


def test_the_verb_build_says_what_supplied_assets_lack(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KUBEBUILDER_ASSETS", str(tmp_path))
    answer = CliRunner().invoke(app, ["build"])

    assert answer.exit_code == 1
    assert f"KUBEBUILDER_ASSETS={tmp_path} has no etcd, kube-apiserver" in answer.output
