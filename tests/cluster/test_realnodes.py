"""What real nodes are told is worked out from the cluster's share, and what a machine lacks is named."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest
import yaml

from devcluster import assets
from devcluster.errors import AssetError, SettingError
from devcluster.loopback import FIRST_SHARE, LAST_SHARE
from devcluster.realnodes import files, install, needs
from devcluster.realnodes.addresses import NodeNetwork
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from pathlib import Path

    from devcluster.controlplane import ControlPlane

HACK = sorted(str(path.relative_to(REPOSITORY)) for path in (REPOSITORY / "hack").glob("*/*.yaml"))


def test_no_two_clusters_have_an_address_in_common() -> None:
    wholes = {NodeNetwork(share).whole for share in range(FIRST_SHARE, LAST_SHARE + 1)}

    assert len(wholes) == LAST_SHARE - FIRST_SHARE + 1


@pytest.mark.parametrize("route", ["10.96.3.0/24", "10.0.0.0/8", "10.96.192.7"])
def test_a_route_to_some_of_the_addresses_is_noticed(route: str) -> None:
    assert NodeNetwork(96).overlapped(["192.0.2.0/24", route]) == route
    assert NodeNetwork(97).overlapped(["192.0.2.0/24", "10.96.0.0/16"]) is None


def test_a_default_route_leads_to_none_of_them() -> None:
    assert NodeNetwork(96).overlapped(["0.0.0.0/0"]) is None


def test_the_plugin_for_further_networks_wraps_the_clusters_own() -> None:
    told = json.loads(files.cluster_network("10.96.4.0/24", "multus"))

    (meta,) = told["plugins"]
    assert meta["type"] == "multus"
    assert meta["delegates"][0]["plugins"][0]["ipam"]["ranges"] == [[{"subnet": "10.96.4.0/24"}]]


def test_a_kubelet_keeps_to_its_own_cgroup_and_asks_for_certificates() -> None:
    told = yaml.safe_load(files.kubelet(NodeNetwork(96), "10.96.192.11", "/clusters/node01"))

    assert told["cgroupRoot"] == "/clusters/node01"
    assert told["authentication"]["anonymous"] == {"enabled": False}
    assert told["failCgroupV1"] is False


@pytest.mark.parametrize("restricted", [True, False])
def test_containerd_leaves_oom_scores_where_it_may_not_lower_them(restricted: bool) -> None:  # noqa: FBT001
    told = files.containerd(restricted_oom_score=restricted)

    assert f"restrict_oom_score_adj = {str(restricted).lower()}" in told


def test_who_is_not_root_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 1000)
    with pytest.raises(SettingError, match="Real nodes need root"):
        needs.check(print)


def test_missing_packages_are_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(needs, "lacking_kernel_features", list)
    monkeypatch.setattr(needs, "PACKAGES", {"containerd": "/nowhere/containerd", "runc": "/nowhere/runc"})
    monkeypatch.setattr("shutil.which", lambda _: None)
    with pytest.raises(SettingError, match="Real nodes need containerd, runc; install them"):
        needs.check(print)


def test_what_the_kernel_lacks_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.geteuid", lambda: 0)
    monkeypatch.setattr(needs, "lacking_kernel_features", lambda: ["overlayfs", "cgroup controllers pids"])
    with pytest.raises(SettingError, match="its kernel has no overlayfs, no cgroup controllers pids"):
        needs.check(print)


def test_a_multus_that_is_none_is_refused(tmp_path: Path) -> None:
    with pytest.raises(AssetError, match="is no program"):
        assets.multus({"MULTUS": str(tmp_path / "multus")})
    assert assets.multus({}) == {}


def test_an_image_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingError, match=r"MACPOOL_IMAGE=nowhere\.tar"):
        install.image_archive(tmp_path, print, {"MACPOOL_IMAGE": "nowhere.tar"})


@pytest.mark.parametrize("manifest", HACK)
def test_an_api_server_takes_the_manifests_for_clusters_of_ones_own(control_plane: ControlPlane, manifest: str) -> None:
    answer = control_plane.kubectl(
        *("apply", "--server-side", "--dry-run=server", "--validate=strict", "-f", str(REPOSITORY / manifest))
    )

    assert "serverside-applied (server dry run)" in answer.stdout
