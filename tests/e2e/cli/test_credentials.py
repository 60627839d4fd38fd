"""Who somebody is to the cluster: tokens from a plugin, and rights in one namespace only."""

from __future__ import annotations

import json
import stat
from typing import TYPE_CHECKING

import pytest
import yaml
from tests.support.cluster_client import ClusterClient, pod

if TYPE_CHECKING:
    from pathlib import Path

    from tests.e2e.cli.conftest import Run
    from tests.support.installed import Installed

ONE = '[{"name":"one"}]'


@pytest.fixture
def as_reader(installed: Installed, namespace: str, tmp_path: Path) -> Path:
    """A kubeconfig whose user is a ServiceAccount, known by a token that a plugin gives."""
    control_plane = installed.control_plane
    control_plane.kubectl("-n", namespace, "create", "serviceaccount", "reader")
    token = control_plane.kubectl("-n", namespace, "create", "token", "reader").stdout.strip()
    version = "client.authentication.k8s.io/v1"
    plugin = tmp_path / "login"
    credential = json.dumps({"apiVersion": version, "kind": "ExecCredential", "status": {"token": token}})
    plugin.write_text(f"#!/bin/sh\necho '{credential}'\n")
    plugin.chmod(plugin.stat().st_mode | stat.S_IXUSR)
    config = yaml.safe_load(control_plane.kubeconfig.read_text())
    exec_fields = {"apiVersion": version, "command": "./login", "interactiveMode": "Never"}
    config["users"][0]["user"] = {"exec": exec_fields}
    path = tmp_path / "reader"
    path.write_text(yaml.safe_dump(config))
    return path


async def test_a_plugin_says_who_somebody_is(run: Run, namespace: str, as_reader: Path) -> None:
    ended = await run("list", "-n", namespace, "--kubeconfig", as_reader, status=3)
    assert f'User "system:serviceaccount:{namespace}:reader" cannot list resource "pods"' in ended.err


async def test_who_may_read_one_namespace_sees_that_one(
    run: Run, installed: Installed, cluster: ClusterClient, namespace: str, as_reader: Path
) -> None:
    made = await cluster.made(namespace, pod("web", ONE))
    binding = ("create", "rolebinding", "reader", "--clusterrole=view", f"--serviceaccount={namespace}:reader")
    installed.control_plane.kubectl("-n", namespace, *binding)
    ended = await run("list", "-n", namespace, "--kubeconfig", as_reader, "-o", "name")
    assert ended.out.split() == made.macs
    assert "not read: GET /api/v1/pods: 403 Forbidden" in ended.err
