"""The cgroups of each node: made before its kubelet starts, and removed when the node has ended.

A kubelet that finds those of an earlier node spends up to a minute on them.
"""

from __future__ import annotations

import hashlib
import os
import time
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import ProcessError, SettingError

if TYPE_CHECKING:
    from collections.abc import Iterator

MOUNT = Path("/sys/fs/cgroup")
CONTROLLERS_V1 = ("cpu", "cpuacct", "cpuset", "memory", "pids")
CONTROLLERS_V2 = ("cpuset", "cpu", "memory", "pids")
BY_HAND = ("cpuset.cpus", "cpuset.mems")
# Where a node's own programs are, beside its pods.
SYSTEM = "system"
POLL_SECONDS = 0.05


def base(state_dir: Path) -> str:
    """Name the cgroup of all nodes of a cluster, as paths begin in /proc/PID/cgroup."""
    return f"/kubemacpool-{hashlib.sha256(str(state_dir).encode()).hexdigest()[:10]}"


def lacking() -> list[str]:
    """List the controllers that this machine does not have mounted."""
    if unified():
        there = (MOUNT / "cgroup.controllers").read_text(encoding="ascii").split()
        return [name for name in CONTROLLERS_V2 if name not in there]
    return [name for name in CONTROLLERS_V1 if not (MOUNT / name / "cgroup.procs").exists()]


def unified() -> bool:
    """Tell whether this machine has version 2 alone."""
    return (MOUNT / "cgroup.controllers").exists()


def make(path: str) -> None:
    """Make a cgroup for a node and one within for its programs.

    Raises:
        SettingError: this user or this machine does not allow it.
    """
    try:
        for root in _hierarchies():
            for part in _parts(f"{path}/{SYSTEM}"):
                directory = root / part
                directory.mkdir(exist_ok=True)
                if not unified():
                    _fill(directory)
                elif part != f"{path}/{SYSTEM}".lstrip("/"):
                    _delegate(directory)
    except OSError as error:
        message = f"No cgroup can be made at {error.filename}: {error.strerror}; real nodes need one each."
        raise SettingError(message) from error


def join(path: str) -> None:
    """Put the calling process there."""
    for root in _hierarchies():
        (root / path.lstrip("/") / SYSTEM / "cgroup.procs").write_text("0", encoding="ascii")


def remove(path: str, within: float) -> None:
    """Remove a cgroup with all within; it must be without processes soon.

    Raises:
        ProcessError: it still has processes.
    """
    deadline = time.monotonic() + within
    for root in _hierarchies():
        top = root / path.lstrip("/")
        while top.is_dir():
            for directory in _deepest_first(top):
                with suppress(OSError):
                    directory.rmdir()
            if top.is_dir():
                if time.monotonic() > deadline:
                    message = f"The cgroup {top} cannot be removed: it has processes still."
                    raise ProcessError(message)
                time.sleep(POLL_SECONDS)


def _hierarchies() -> list[Path]:
    if unified():
        return [MOUNT]
    # All of them, also the one of systemd, which the kubelet expects like the others; cpu may be a link to cpu,cpuacct.
    return [place for place in sorted(MOUNT.iterdir()) if not place.is_symlink() and (place / "cgroup.procs").exists()]


def _parts(path: str) -> Iterator[str]:
    names = path.lstrip("/").split("/")
    for count in range(1, len(names) + 1):
        yield "/".join(names[:count])


def _fill(directory: Path) -> None:
    """Give a new cpuset what its parent has; an empty one takes no process."""
    for name in BY_HAND:
        mine = directory / name
        if mine.exists() and not mine.read_text(encoding="ascii").strip():
            mine.write_text((directory.parent / name).read_text(encoding="ascii"), encoding="ascii")


def _delegate(directory: Path) -> None:
    wanted = " ".join(f"+{name}" for name in CONTROLLERS_V2)
    for place in (directory.parent, directory):
        (place / "cgroup.subtree_control").write_text(wanted, encoding="ascii")


def _deepest_first(top: Path) -> list[Path]:
    return [Path(directory) for directory, _, _ in os.walk(top, topdown=False)]
