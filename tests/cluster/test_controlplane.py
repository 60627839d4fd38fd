"""The real control plane: the class that the tests of this project stand on."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from typing import TYPE_CHECKING

import pytest
from tests.cluster.verbs import environment

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.errors import ApiError, CommandError, ProcessError
from devcluster.layout import Layout

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path


def eventually(check: Callable[[], bool], seconds: float = 15) -> bool:
    """Tell whether something becomes true in time."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if check():
            return True
        time.sleep(0.1)
    return False


def phase(control_plane: ControlPlane, selector: str) -> str:
    return control_plane.kubectl("get", "pods", "-l", selector, "-o", "jsonpath={.items[*].status.phase}").stdout


def test_pods_run_and_those_of_jobs_complete(control_plane: ControlPlane) -> None:
    control_plane.kubectl("run", "example", "--image=example", "--labels=case=run")
    control_plane.kubectl("create", "job", "example", "--image=example")

    assert eventually(lambda: phase(control_plane, "case=run") == "Running")
    assert eventually(lambda: phase(control_plane, "job-name=example") == "Succeeded")


def test_versions_are_the_pinned_ones(control_plane: ControlPlane) -> None:
    versions = json.loads(control_plane.kubectl("version", "-o", "json").stdout)

    assert versions["serverVersion"]["gitVersion"] == versions["clientVersion"]["gitVersion"] == "v1.37.2"


def test_an_old_watch_is_gone_after_a_compaction(control_plane: ControlPlane) -> None:
    before = json.loads(control_plane.kubectl("get", "configmaps", "-o", "json").stdout)["metadata"]["resourceVersion"]
    control_plane.kubectl("create", "configmap", "for-compaction")
    control_plane.etcd_compact()
    # A watch that the API server can serve from its cache is not etcd's business.
    control_plane.stop_apiserver()
    control_plane.start_apiserver()
    watch = f"/api/v1/configmaps?watch=1&timeoutSeconds=2&resourceVersion={before or 1}"

    assert '"code":410' in control_plane.kubectl("get", "--raw", watch).stdout


def test_the_api_server_comes_back_on_its_port_with_its_data(control_plane: ControlPlane) -> None:
    control_plane.kubectl("create", "configmap", "kept")
    url = control_plane.server_url
    control_plane.stop_apiserver()
    assert not control_plane.api.ready()
    control_plane.start_apiserver()

    assert control_plane.server_url == url
    assert control_plane.kubectl("get", "configmap", "kept", "-o", "name").stdout == "configmap/kept\n"


def test_a_service_account_kubeconfig_acts_as_the_service_account(control_plane: ControlPlane, tmp_path: Path) -> None:
    path = control_plane.service_account_kubeconfig("default", "default", tmp_path / "kubeconfig")

    assert (tmp_path / "kubeconfig.token").stat().st_mode & 0o077 == 0
    answer = control_plane.kubectl("get", "secrets", f"--kubeconfig={path}", check=False)
    assert "system:serviceaccount:default:default" in answer.stderr
    with pytest.raises(CommandError, match="Forbidden"):
        control_plane.kubectl("get", "secrets", f"--kubeconfig={path}")


def test_a_service_account_that_is_not_there_is_named(control_plane: ControlPlane) -> None:
    with pytest.raises(ApiError, match=r"404: serviceaccounts \"nobody\" not found"):
        control_plane.service_account_token("default", "nobody")


def test_two_clusters_at_once_without_controllers(control_plane: ControlPlane, tmp_path: Path) -> None:
    """The second has no controllers: it is a bare API server, which admits pods all the same."""
    with ControlPlane(ControlPlaneSpec(tmp_path, controllers=False, ends_with_caller=True)) as second:
        mine, theirs = control_plane.record(), second.record()
        assert mine.share != theirs.share
        assert not set(mine.ports.all()) & set(theirs.ports.all())
        second.kubectl("run", "example", "--image=example")
        assert second.kubectl("get", "pods", "-o", "name").stdout == "pod/example\n"
    assert not second.running()


def test_more_arguments_reach_the_api_server(tmp_path: Path) -> None:
    spec = ControlPlaneSpec(tmp_path, controllers=False, apiserver_args=("--no-such-flag",), ends_with_caller=True)

    with pytest.raises(ProcessError, match=r"kube-apiserver ended\. (?s:.)*unknown flag: --no-such-flag"):
        ControlPlane(spec).start()
    assert not ControlPlane(spec).running()
    assert {path.name for path in tmp_path.iterdir()} == {"lock", "logs"}


def test_a_cluster_ends_with_a_caller_that_is_killed(tmp_path: Path) -> None:
    code = (
        "import sys, os, pathlib\n"
        "from devcluster.controlplane import ControlPlane, ControlPlaneSpec\n"
        "ControlPlane(ControlPlaneSpec(pathlib.Path(sys.argv[1]), controllers=False, ends_with_caller=True)).start()\n"
        "print('up', flush=True); os.kill(os.getpid(), 9)\n"
    )
    answer = subprocess.run(
        [sys.executable, "-c", code, str(tmp_path)], capture_output=True, text=True, check=False, env=environment({})
    )

    assert (answer.returncode, answer.stdout) == (-9, "up\n")
    assert eventually(lambda: not any(daemon.running() for daemon in Layout(tmp_path).daemons()))


def test_using_a_cluster_that_is_not_there_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(ProcessError, match=f"There is no cluster in {tmp_path}; start one with `make cluster-up`"):
        _ = ControlPlane(ControlPlaneSpec(tmp_path)).server_url
