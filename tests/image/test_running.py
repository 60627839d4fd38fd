"""The manager runs from the image's root file system: as its user, with nothing that it could write to.

A container without a container engine: namespaces and chroot, which need root. In the replicas' place of an
installation from the release manifest, whose command is the only thing that differs.
"""

from __future__ import annotations

import platform
import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Final

import pytest
from tests.support.cluster_client import ClusterClient, pod
from tests.support.installed import Installed, installation, process_of

from devcluster.settings import RELEASE_MANIFEST

if TYPE_CHECKING:
    from collections.abc import Iterator

ARCHITECTURE: Final = {"x86_64": "linux/amd64", "aarch64": "linux/arm64"}[platform.machine()]
COMMAND: Final = 'command: ["kubemacpool"]'

INSIDE: Final = """
mount --bind {root} {root}
mount -o remount,bind,ro {root}
mount --bind /proc {root}/proc
mount -t tmpfs tmpfs {root}/run
sed "s|tokenFile:.*|tokenFile: /run/token|" "$KUBECONFIG" > {root}/run/kubeconfig
cp "$(sed -n 's/.*tokenFile: //p' "$KUBECONFIG")" {root}/run/token
cp "$KUBEMACPOOL_METRICS_CLIENT_CA_FILE" {root}/run/ca.crt
chmod 0644 {root}/run/*
mount -o remount,ro {root}/run
export KUBECONFIG=/run/kubeconfig KUBEMACPOOL_METRICS_CLIENT_CA_FILE=/run/ca.crt PATH=/usr/local/bin:/usr/bin
exec /usr/bin/setpriv --no-new-privs /usr/sbin/chroot --userspec=65532:65532 --groups= {root} \
/usr/local/bin/kubemacpool "$@"
"""
SCRIPT: Final = """#!/bin/sh
exec unshare --mount --propagation private sh -ec {inside} kubemacpool "$@"
"""


@pytest.fixture(scope="module")
def root(roots: dict[str, Path]) -> Path:
    """The root file system of this machine's platform."""
    return roots[ARCHITECTURE]


@pytest.fixture(scope="module")
def installed(root: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Installed]:
    """An installation whose replicas run from the image."""
    folder = tmp_path_factory.mktemp("contained")
    script = folder / "kubemacpool"
    script.write_text(SCRIPT.format(inside=shlex.quote(INSIDE.format(root=root))))
    script.chmod(0o755)
    manifest = folder / "kubemacpool.yaml"
    text = RELEASE_MANIFEST.read_text()
    assert text.count(COMMAND) == 1
    manifest.write_text(text.replace(COMMAND, f'command: ["{script}"]'))
    with installation(folder / "cluster", manifest=manifest) as made:
        yield made


def dates(root: Path) -> dict[Path, int]:
    """When each file was written last."""
    return {path: path.lstat().st_mtime_ns for path in root.rglob("*")}


async def test_a_pod_gets_its_address_from_a_replica_that_can_write_nothing(installed: Installed, root: Path) -> None:
    before = dates(root)
    async with ClusterClient(installed.control_plane) as cluster:
        await cluster.namespace("contained")
        made = await cluster.made("contained", pod("a", '[{"name":"net1"},{"name":"net2"}]'))
    assert len(set(made.macs)) == 2
    assert installed.replicas
    for replica in installed.replicas:
        process = Path(f"/proc/{process_of(replica).pid}")
        assert (process / "root").readlink() == root
        status = dict(line.split(":\t", 1) for line in (process / "status").read_text().splitlines())
        assert status["Uid"].split() == status["Gid"].split() == ["65532"] * 4
        assert status["Groups"].strip() == ""
        assert [int(status[name], 16) for name in ("CapPrm", "CapEff", "CapInh", "CapAmb")] == [0, 0, 0, 0]
        assert status["NoNewPrivs"] == "1"
        mounts = [line.split() for line in (process / "mountinfo").read_text().splitlines()]
        seen = {mount[4]: mount[5].split(",") for mount in mounts if mount[4] in {"/", "/run"}}
        assert {place: "ro" in options for place, options in seen.items()} == {"/": True, "/run": True}
    assert dates(root) == before
