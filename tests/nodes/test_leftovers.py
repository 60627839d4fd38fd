"""Whatever a node has made goes with it, however it ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from devcluster.layout import Layout
from devcluster.realnodes import cgroups
from devcluster.settings import REPOSITORY

if TYPE_CHECKING:
    from collections.abc import Iterable

STEPS = ("nodes/switch", "nodes/node01/machine.json", "nodes/node02/etc-cni-net.d/10-cluster.conflist")
"""How far a start is when it is broken off."""


def left_behind(state_dir: Path) -> dict[str, list[str]]:
    """Everything of a cluster's that the kernel has still."""
    wanted = str(state_dir).encode()
    processes = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (entry / "cmdline").read_bytes() or wanted in (entry / "environ").read_bytes():
                processes.append(entry.name)
        except OSError:
            continue
    name = cgroups.base(state_dir).lstrip("/")
    return {
        "processes": processes,
        "cgroups": [str(path) for path in Path("/sys/fs/cgroup").glob(f"**/{name}")],
        "mounts": [line for line in Path("/proc/mounts").read_text().splitlines() if str(state_dir) in line],
        "nodes": [str(path) for path in state_dir.glob("nodes/*")],
    }


def devcluster(verb: str, state_dir: Path) -> subprocess.Popen[str]:
    environment = os.environ | {
        "PYTHONPATH": str(REPOSITORY / "cluster"),
        "MACPOOL_PROVIDER": "nodes",
        "MACPOOL_NUM_NODES": "2",
    }
    command = [sys.executable, "-m", "devcluster", verb, "--state-dir", str(state_dir)]
    return subprocess.Popen(command, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)


def host_link(state_dir: Path) -> Path | None:
    """The host's end of a cluster's link; other clusters of this machine have links of their own."""
    told = state_dir / "nodes" / "switch" / "host-link"
    return Path("/sys/class/net") / told.read_text() if told.exists() else None


def rules() -> str:
    """The machine's own rules for packets, without their counters."""
    shown = subprocess.run(["iptables-save"], capture_output=True, text=True, check=False).stdout
    return "\n".join(line for line in shown.splitlines() if not line.startswith(("#", ":")))


def finish(processes: Iterable[subprocess.Popen[str]]) -> None:
    for process in processes:
        if process.poll() is None:
            process.kill()
        process.communicate()


@pytest.mark.nightly
def test_a_start_that_is_broken_off_and_a_cluster_that_is_taken_down_leave_nothing(tmp_path: Path) -> None:
    before = rules()
    layout = Layout(tmp_path)
    for step in STEPS:
        starting = devcluster("up", tmp_path)
        try:
            deadline = time.monotonic() + 180
            while not (tmp_path / step).exists():
                assert starting.poll() is None, starting.communicate()
                assert time.monotonic() < deadline, f"no {step}"
                time.sleep(0.005)
            link = host_link(tmp_path)
            starting.send_signal(signal.SIGINT)
            said, _ = starting.communicate(timeout=60)
        finally:
            finish([starting])
        assert starting.returncode == 130, said
        assert not any(left_behind(tmp_path).values()), left_behind(tmp_path)
        assert link is None or not link.exists()

    # A start that nobody could tidy up after, because it was killed.
    starting = devcluster("up", tmp_path)
    try:
        while not (tmp_path / STEPS[-1]).exists():
            assert starting.poll() is None
            time.sleep(0.005)
    finally:
        finish([starting])
    assert layout.daemon("node01").running()
    link = host_link(tmp_path)
    assert link is not None
    assert link.exists()
    down = devcluster("down", tmp_path)
    said, _ = down.communicate(timeout=60)

    assert down.returncode == 0, said
    assert not any(left_behind(tmp_path).values()), left_behind(tmp_path)
    assert not link.exists()
    assert rules() == before
