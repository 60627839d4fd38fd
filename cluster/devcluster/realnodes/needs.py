"""What a machine must have for real nodes: root, programs of its distribution, and parts of the kernel."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

from devcluster.errors import SettingError
from devcluster.realnodes import cgroups

if TYPE_CHECKING:
    from devcluster.waiting import Progress

# Debian's packages, and a file of each by which it is known.
PACKAGES = {
    "containerd": "/usr/bin/containerd",
    "runc": "/usr/sbin/runc",
    "containernetworking-plugins": "/usr/lib/cni/ptp",
    "iptables": "/usr/sbin/iptables",
    "conntrack": "/usr/sbin/conntrack",
    "iproute2": "/usr/sbin/ip",
    "util-linux": "/usr/bin/unshare",
    "busybox-static": "/bin/busybox",
}
PROGRAM_DIRECTORIES = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
# Hundreds of megabytes on a slow line.
INSTALL_SECONDS = 600


def check(progress: Progress) -> None:
    """Make sure that real nodes can be had here, and install what a package manager can.

    Raises:
        SettingError: something is missing; all of it is named.
    """
    if os.geteuid() != 0:
        message = (
            "Real nodes need root, for namespaces and mounts; run this as root, or use MACPOOL_PROVIDER=controlplane."
        )
        raise SettingError(message)
    if lacking := lacking_kernel_features():
        message = f"Real nodes cannot be had on this machine: its kernel has no {', no '.join(lacking)}."
        raise SettingError(message)
    missing = missing_packages()
    if missing and shutil.which("apt-get"):
        progress(f"installing {', '.join(missing)} with apt-get")
        _apt(missing)
        missing = missing_packages()
    if missing:
        message = f"Real nodes need {', '.join(missing)}; install them (these are the names of Debian's packages)."
        raise SettingError(message)


def missing_packages() -> list[str]:
    """List the packages that are not installed."""
    return [name for name, program in PACKAGES.items() if not Path(program).exists()]


def lacking_kernel_features() -> list[str]:
    """List what the kernel does not have or does not let us use."""
    filesystems = Path("/proc/filesystems").read_text(encoding="ascii").split()
    lacking = []
    if "overlay" not in filesystems and not _loads("overlay"):
        lacking.append("overlayfs")
    if controllers := cgroups.lacking():
        lacking.append(f"cgroup controllers {', '.join(controllers)} under {cgroups.MOUNT}")
    unshare = PACKAGES["util-linux"]
    tried = ["--mount", "--uts", "--ipc", "--net", "--pid", "--fork"]
    if (
        Path(unshare).exists()
        and subprocess.run([unshare, *tried, "true"], check=False, capture_output=True).returncode
    ):
        lacking.append("namespaces that this user may make")
    return lacking


def may_lower_oom_score() -> bool:
    """Tell whether this process has CAP_SYS_RESOURCE, without which oom_score_adj can only be raised."""
    for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
        if line.startswith("CapEff:"):
            return bool(int(line.split()[1], 16) >> 24 & 1)
    return False


def _loads(module: str) -> bool:
    modprobe = shutil.which("modprobe", path=PROGRAM_DIRECTORIES)
    return modprobe is not None and subprocess.run([modprobe, module], check=False, capture_output=True).returncode == 0


def _apt(packages: list[str]) -> None:
    # Without recommended packages, and without starting services, which are the nodes' own.
    environment = dict(os.environ) | {"DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    for command in (
        ["apt-get", "-qq", "update"],
        ["apt-get", "-qq", "install", "-y", "--no-install-recommends", *packages],
    ):
        answer = subprocess.run(
            command, env=environment, check=False, capture_output=True, text=True, timeout=INSTALL_SECONDS
        )
        if answer.returncode:
            message = f"`{' '.join(command)}` failed: {answer.stderr.strip()}"
            raise SettingError(message)
