"""The first process of a node: makes a root of its own from the machine's programs, starts the node's, and reaps.

It is started in new namespaces, ends with the process that started it, and with it ends everything on the node. What it
starts it starts again when it ends, as a service manager would.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import msgspec

from devcluster.realnodes import cgroups

# What a node takes from the machine, read-only.
SHARED = ("usr", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
OWN = ("dev", "etc", "home", "mnt", "opt/cni/bin", "opt/kubernetes", "proc", "root", "run", "srv", "sys", "tmp")
OWN_VAR = ("var/cache", "var/lib/kubelet", "var/lib/containerd", "var/log", "var/tmp")
LINK_SECONDS = 20.0
SOCKET_SECONDS = 20.0
RESTART_SECONDS = 1.0
POLL_SECONDS = 0.02
PATH = "/opt/kubernetes:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Program(msgspec.Struct, frozen=True):
    """One of a node's own programs."""

    name: str
    arguments: list[str]
    log: str
    after: str = ""
    """A file that must be there before it is started."""


class Machine(msgspec.Struct, frozen=True):
    """What the first process is told."""

    name: str
    directory: str
    """Where the machine keeps its root, on the host."""
    cgroup: str
    address: str
    interface: str
    routes: list[tuple[str, str]]
    """Destination and gateway."""
    programs: list[Program]
    program_files: str
    """The host's directory of programs that is seen at /opt/kubernetes."""
    configuration: str
    """The host's directory that is seen at /etc/kubernetes."""
    bridge: bool = False
    """Whether the interface is a bridge, to which others are joined."""


def main(specification: str) -> None:
    """Be the first process until killed."""
    machine = msgspec.json.decode(Path(specification).read_bytes(), type=Machine)
    cgroups.join(machine.cgroup)
    socket.sethostname(machine.name)
    logs = {program.name: _log(program) for program in machine.programs}
    root = Path(machine.directory) / "root"
    _build(root, machine)
    _enter(root)
    _network(machine)
    _supervise(machine.programs, logs)


def _log(program: Program) -> int:
    Path(program.log).parent.mkdir(parents=True, exist_ok=True)
    return os.open(program.log, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)


def _build(root: Path, machine: Machine) -> None:
    """Mount together what the node sees as its root."""
    root.mkdir(parents=True, exist_ok=True)
    _run("mount", "--bind", str(root), str(root))
    _run("mount", "--make-private", str(root))
    for name in (*OWN, *OWN_VAR):
        (root / name).mkdir(parents=True, exist_ok=True)
    (root / "tmp").chmod(0o1777)
    for name, target in (("var/run", "/run"), ("var/lock", "/run/lock")):
        if not (root / name).is_symlink():
            (root / name).symlink_to(target)
    for name in SHARED:
        _share(Path("/") / name, root / name)
    _overlay("etc", root, Path(machine.directory))
    for source, place in ((machine.program_files, "opt/kubernetes"), (machine.configuration, "etc/kubernetes")):
        (root / place).mkdir(exist_ok=True)
        _bind(Path(source), root / place)
    # Inside an overlay nobody on the host could write while the node runs; in a directory of the host's own it can.
    for place in ("etc/cni/net.d", "opt/cni/bin"):
        outside = Path(machine.directory) / place.replace("/", "-")
        outside.mkdir(exist_ok=True)
        (root / place).mkdir(parents=True, exist_ok=True)
        _run("mount", "--bind", str(outside), str(root / place))
    _run("mount", "--rbind", "/dev", str(root / "dev"))
    _run("mount", "-t", "tmpfs", "-o", "mode=755", "tmpfs", str(root / "run"))
    (root / "run/lock").mkdir()
    _run("mount", "-t", "proc", "proc", str(root / "proc"))
    _run("mount", "-t", "sysfs", "sysfs", str(root / "sys"))
    _run("mount", "--rbind", "/sys/fs/cgroup", str(root / "sys/fs/cgroup"))


def _share(source: Path, place: Path) -> None:
    if source.is_symlink():
        if not place.is_symlink():
            place.symlink_to(source.readlink())
    elif source.is_dir():
        place.mkdir(exist_ok=True)
        _bind(source, place)


def _bind(source: Path, place: Path) -> None:
    _run("mount", "--bind", str(source), str(place))
    _run("mount", "-o", "remount,bind,ro", str(place))


def _overlay(name: str, root: Path, directory: Path) -> None:
    upper, work = directory / f"{name}-upper", directory / f"{name}-work"
    upper.mkdir(exist_ok=True)
    work.mkdir(exist_ok=True)
    options = f"lowerdir=/{name},upperdir={upper},workdir={work}"
    _run("mount", "-t", "overlay", "-o", options, "overlay", str(root / name))


def _enter(root: Path) -> None:
    """Leave the machine's root for good."""
    (root / ".before").mkdir(exist_ok=True)
    _run("pivot_root", str(root), str(root / ".before"))
    os.chdir("/")
    _run("umount", "--lazy", "/.before")
    Path("/.before").rmdir()
    # What a kubelet mounts for a container has to reach it.
    _run("mount", "--make-rshared", "/")


def _network(machine: Machine) -> None:
    _run("ip", "link", "set", "lo", "up")
    for name in ("net/ipv4/ip_forward", "net/ipv4/conf/all/route_localnet"):
        Path("/proc/sys", name).write_text("1", encoding="ascii")
    if machine.bridge:
        _run("ip", "link", "add", machine.interface, "type", "bridge")
    link = Path("/sys/class/net") / machine.interface
    deadline = time.monotonic() + LINK_SECONDS
    while not link.exists():
        if time.monotonic() > deadline:
            sys.exit(f"{machine.interface} has not come in {LINK_SECONDS:.0f} s")
        time.sleep(POLL_SECONDS)
    _run("ip", "address", "add", f"{machine.address}/24", "dev", machine.interface)
    _run("ip", "link", "set", machine.interface, "up")
    for destination, gateway in machine.routes:
        _run("ip", "route", "replace", destination, "via", gateway)


def _supervise(programs: list[Program], logs: dict[str, int]) -> None:
    """Start every program, again when it has ended, and reap whoever is left to the first process."""
    running: dict[int, Program] = {}
    due = dict.fromkeys((program.name for program in programs), 0.0)
    by_name = {program.name: program for program in programs}
    # Blocked, it is kept for sigtimedwait.
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        now = time.monotonic()
        for name, at in list(due.items()):
            program = by_name[name]
            if at <= now and (not program.after or Path(program.after).exists()):
                running[_spawn(program, logs[name])] = program
                del due[name]
        while True:
            try:
                pid, _ = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                pid = 0
            if not pid:
                break
            if pid in running:
                due[running.pop(pid).name] = time.monotonic() + RESTART_SECONDS
        signal.sigtimedwait([signal.SIGCHLD], POLL_SECONDS if due else RESTART_SECONDS)


def _spawn(program: Program, log: int) -> int:
    environment = {"PATH": PATH, "HOME": "/root"}
    actions = [
        (os.POSIX_SPAWN_OPEN, 0, os.devnull, os.O_RDONLY, 0),
        (os.POSIX_SPAWN_DUP2, log, 1),
        (os.POSIX_SPAWN_DUP2, log, 2),
    ]
    return os.posix_spawn(
        program.arguments[0], program.arguments, environment, file_actions=actions, setsid=True, setsigmask=[]
    )


def _run(*command: str) -> None:
    answer = subprocess.run(command, check=False, capture_output=True, text=True, env={"PATH": PATH})
    if answer.returncode:
        sys.exit(f"`{' '.join(command)}` failed: {answer.stderr.strip()}")


if __name__ == "__main__":
    main(sys.argv[1])
