"""One set of namespaces with an address of its own: a node, or the switch that joins them."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from devcluster.errors import CommandError, ProcessError
from devcluster.files import write_atomically
from devcluster.processes import ProcessId
from devcluster.realnodes import cgroups, init
from devcluster.realnodes.needs import PACKAGES, PROGRAM_DIRECTORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

    from devcluster.layout import Layout
    from devcluster.processes import Daemon

END_SECONDS = 10.0
COMMAND_SECONDS = 60.0
BIRTH_SECONDS = 10.0
POLL_SECONDS = 0.02
NSENTER = Path(PACKAGES["util-linux"]).with_name("nsenter")
IP = PACKAGES["iproute2"]
MODULES = Path(__file__).resolve().parents[2]


@dataclass(frozen=True, slots=True)
class Machine:
    """A place for one set of namespaces, known by its name."""

    layout: Layout
    name: str

    @property
    def directory(self) -> Path:
        """Where it keeps its root, on the host."""
        return self.layout.nodes / self.name

    @property
    def configuration(self) -> Path:
        """What its programs are told; seen from within at /etc/kubernetes."""
        return self.directory / "configuration"

    @property
    def cni_programs(self) -> Path:
        """Its CNI plugins; seen from within at /opt/cni/bin."""
        return self.directory / "opt-cni-bin"

    @property
    def cni_configuration(self) -> Path:
        """Its CNI configuration; seen from within at /etc/cni/net.d."""
        return self.directory / "etc-cni-net.d"

    @property
    def cgroup(self) -> str:
        """The cgroup of all its processes."""
        return f"{cgroups.base(self.layout.state_dir)}/{self.name}"

    @property
    def daemon(self) -> Daemon:
        """The process with which everything on it ends."""
        return self.layout.daemon(self.name)

    def start(self, specification: init.Machine) -> None:
        """Start its first process, whose interface somebody has to bring."""
        cgroups.make(self.cgroup)
        told = self.directory / "machine.json"
        write_atomically(told, msgspec.json.encode(specification))
        namespaces = ("--pid", "--mount", "--net", "--uts", "--ipc", "--propagation=private")
        self.daemon.start(
            [
                PACKAGES["util-linux"],
                *namespaces,
                "--fork",
                "--kill-child",
                "--",
                sys.executable,
                "-m",
                init.__name__,
                str(told),
            ],
            {"PATH": PROGRAM_DIRECTORIES, "PYTHONPATH": str(MODULES)},
        )

    def stop(self) -> bool:
        """End everything on it at once, as a power cut would; False when nothing ran."""
        process = self.daemon.running()
        if process is not None:
            inner = self._first(process.pid)
            process.send(signal.SIGKILL)
            process.wait(END_SECONDS)
            if inner is not None:
                _await_end(inner)
        self.daemon.pid_file.unlink(missing_ok=True)
        cgroups.remove(self.cgroup, END_SECONDS)
        return process is not None

    @property
    def pid(self) -> int:
        """The first process, as the host sees it.

        Raises:
            ProcessError: it does not run.
        """
        deadline = time.monotonic() + BIRTH_SECONDS
        while (process := self.daemon.running()) is not None and time.monotonic() < deadline:
            if (inner := self._first(process.pid)) is not None:
                return inner
            # What makes the namespaces has not got to it yet.
            time.sleep(POLL_SECONDS)
        raise ProcessError(self.daemon.obituary())

    def entering(self, command: Sequence[str]) -> list[str]:
        """Return the command line that runs a command inside."""
        entered = [str(NSENTER), f"--target={self.pid}", "--mount", "--uts", "--ipc", "--net", "--pid"]
        return [*entered, "--", "/usr/bin/env", "-i", f"PATH={init.PATH}", "HOME=/root", "TERM=xterm", *command]

    def run(self, *command: str, stdin: str | None = None, check: bool = True) -> str:
        """Run a command inside and return what it wrote.

        Raises:
            CommandError: it failed, and `check` is not False.
        """
        return _run(self.entering(command), f"{' '.join(command)} on {self.name}", stdin, check=check)

    def ip(self, *lines: str) -> None:
        """Change its network, a line of ip's batch each; processes are known as on the host."""
        if lines:
            command = [str(NSENTER), f"--net=/proc/{self.pid}/ns/net", "--", IP, "-batch", "-"]
            _run(command, f"ip {', '.join(lines)} on {self.name}", "\n".join(lines), check=True)

    def has_address(self, address: str) -> bool:
        """Tell whether an interface of it that is up has this address."""
        command = [str(NSENTER), f"--net=/proc/{self.pid}/ns/net", "--", IP, "-brief", "address", "show", "up"]
        return f" {address}/" in _run(command, f"ip address on {self.name}", None, check=True)

    def interfaces(self) -> list[str]:
        """Name its network interfaces."""
        shown = _run(
            [str(NSENTER), f"--net=/proc/{self.pid}/ns/net", "--", IP, "-brief", "link"], "ip link", None, check=True
        )
        return [line.split()[0].partition("@")[0] for line in shown.splitlines()]

    @staticmethod
    def _first(parent: int) -> int | None:
        """Find the first process of the namespaces: the child of the one that made them."""
        try:
            children = Path(f"/proc/{parent}/task/{parent}/children").read_text(encoding="ascii").split()
        except (FileNotFoundError, ProcessLookupError):
            return None
        return int(children[0]) if children else None


def host_ip(*arguments: str, check: bool = True) -> str:
    """Run ip on the host."""
    return _run([IP, *arguments], f"ip {' '.join(arguments)}", None, check=check)


def _run(command: Sequence[str], name: str, stdin: str | None, *, check: bool) -> str:
    answer = subprocess.run(command, check=False, capture_output=True, text=True, input=stdin, timeout=COMMAND_SECONDS)
    if check and answer.returncode:
        raise CommandError(name, answer.returncode, answer.stderr or answer.stdout)
    return answer.stdout


def _await_end(pid: int) -> None:
    inner = ProcessId.of(pid)
    if inner is not None:
        inner.wait(END_SECONDS)
