"""The verbs give a working cluster or one clear sentence, whatever happened before."""

from __future__ import annotations

import json
import signal
import socket
import subprocess
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devcluster.controlplane import ControlPlane, ControlPlaneSpec
from devcluster.layout import Record
from devcluster.loopback import HOST
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.cluster.verbs import Verbs


def kubectl(verbs: Verbs, *arguments: str) -> str:
    return ControlPlane(ControlPlaneSpec(verbs.state_dir)).kubectl(*arguments).stdout


def kill(verbs: Verbs, name: str) -> None:
    """Kill one of the cluster's processes and wait until it is gone."""
    process = verbs.layout.daemon(name).running()
    assert process is not None
    process.send(signal.SIGKILL)
    process.wait(10)


def nobody_runs(verbs: Verbs) -> bool:
    """Tell whether no process has the state directory in its arguments."""
    for process in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if str(verbs.state_dir).encode() in (process / "cmdline").read_bytes():
                return False
    return True


def test_a_second_up_says_that_the_cluster_is_running(verbs: Verbs) -> None:
    before = verbs.pid("kube-apiserver")
    answer = verbs.run("up", check=True)

    assert "The cluster of Kubernetes 1.37 with 1 simulated node is running already." in answer.stdout
    assert verbs.pid("kube-apiserver") == before


def test_up_with_another_number_of_nodes_adds_and_removes_them(verbs: Verbs) -> None:
    verbs.run("up", check=True, MACPOOL_NUM_NODES="3")
    assert kubectl(verbs, "get", "nodes", "-o", "name").split() == ["node/node01", "node/node02", "node/node03"]
    assert "with 3 simulated nodes is running already" in verbs.run("up", check=True).stdout
    verbs.run("up", check=True, MACPOOL_NUM_NODES="1")
    assert kubectl(verbs, "get", "nodes", "-o", "name").split() == ["node/node01"]


def test_up_with_another_version_says_what_runs_and_what_to_do(verbs: Verbs) -> None:
    answer = verbs.run("up", KUBERNETES_VERSION="1.34")

    assert answer.returncode == 1
    assert answer.stderr == (
        "A cluster of Kubernetes 1.37 is there already, and KUBERNETES_VERSION=1.34 asks for another; "
        "run `make cluster-down` first.\n"
    )


@pytest.mark.parametrize("killed", [["kube-apiserver"], ["etcd", "kube-apiserver"], ["kwok", "kube-scheduler"]])
def test_up_starts_again_what_was_killed_with_its_data(verbs: Verbs, killed: list[str]) -> None:
    name = f"kept-{'-'.join(killed)}"
    kubectl(verbs, "create", "configmap", name)
    for program in killed:
        kill(verbs, program)
    answer = verbs.run("up", check=True)

    assert "started again what was not running:" in answer.stdout
    assert all(program in answer.stdout for program in killed)
    assert kubectl(verbs, "get", "configmap", name, "-o", "name") == f"configmap/{name}\n"


def test_a_port_that_another_program_has_taken_meanwhile_is_named(verbs: Verbs) -> None:
    record = Record.read(verbs.layout)
    assert record is not None
    kill(verbs, "kube-apiserver")
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind((HOST, record.ports.kube_apiserver))
        other.listen()
        answer = verbs.run("up")

    assert answer.returncode == 1
    assert f"another program listens on its port {HOST}:{record.ports.kube_apiserver}" in answer.stderr
    assert len(answer.stderr.splitlines()) == 1
    verbs.run("up", check=True)


def test_status_names_every_process(verbs: Verbs) -> None:
    shown = verbs.run("status", check=True).stdout

    for name in ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kwok"):
        assert f"{name}: pid {verbs.pid(name)}" in shown


def test_up_of_an_unknown_provider_is_one_sentence(verbs: Verbs) -> None:
    answer = verbs.run("up", MACPOOL_PROVIDER="minikube")

    assert (answer.returncode, answer.stdout) == (1, "")
    assert answer.stderr == "MACPOOL_PROVIDER=minikube is not a provider; there are controlplane, nodes, kind.\n"


def test_ssh_says_that_there_is_no_node_to_log_into() -> None:
    answer = subprocess.run(
        [REPOSITORY / "cluster" / "cli.sh", "ssh", "node01", "ip", "-br", "link"],
        capture_output=True,
        text=True,
        check=False,
    )

    assert answer.returncode == 1
    assert answer.stderr.startswith("There is no node to log into: node01 is simulated by KWOK")


def test_down_ends_every_process_and_keeps_the_logs(nothing_yet: Verbs) -> None:
    nothing_yet.run("up", check=True, MACPOOL_NUM_NODES="0")
    assert not nobody_runs(nothing_yet)
    assert "The cluster has ended." in nothing_yet.run("down", check=True).stdout

    assert nobody_runs(nothing_yet)
    assert {path.name for path in nothing_yet.state_dir.iterdir()} == {"lock", "logs"}
    assert (nothing_yet.layout.logs / "kube-apiserver.log").stat().st_size > 0
    assert nothing_yet.run("down", check=True).stdout == "There is no cluster to take down.\n"


def apiserver_runs(verbs: Verbs) -> bool:
    return verbs.layout.daemon("kube-apiserver").running() is not None


def etcd_runs(verbs: Verbs) -> bool:
    return verbs.layout.daemon("etcd").running() is not None


@pytest.mark.parametrize("moment", [etcd_runs, apiserver_runs])
@pytest.mark.parametrize("signum", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_up_leaves_nothing(
    nothing_yet: Verbs, moment: Callable[[Verbs], bool], signum: signal.Signals
) -> None:
    with nothing_yet.begin("up") as up:
        while not moment(nothing_yet):
            time.sleep(0.01)
        up.send_signal(signum)
        _, told = up.communicate(timeout=60)

    assert up.returncode == 130
    assert told == "Interrupted; what this command had started has been ended.\n"
    assert nobody_runs(nothing_yet)


def test_what_a_killed_up_has_left_is_no_obstacle(nothing_yet: Verbs) -> None:
    with nothing_yet.begin("up") as up:
        while not apiserver_runs(nothing_yet):
            time.sleep(0.01)
        up.kill()
        up.communicate()
    left = nothing_yet.pid("kube-apiserver")
    nothing_yet.run("up", check=True)

    assert nothing_yet.pid("kube-apiserver") != left
    nodes = json.loads(kubectl(nothing_yet, "get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node01"]
