"""Network namespaces for one test, in which the real CNI plugins may do as they please.

Everything lives in namespaces that are held by a process waiting for the end of its input. When the test ends, in
whatever way, its pipes close, those processes end, and the kernel removes namespaces, bridges, interfaces and mounts
with them. The machine's own network is never touched. Where user namespaces are allowed, no privilege is needed.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from contextlib import ExitStack, contextmanager
from typing import IO, TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping
    from pathlib import Path
    from types import TracebackType

STEP_SECONDS = 30.0
# In the sandbox: the plugins, bind-mounted where every machine has an empty directory.
_PLUGINS = "/mnt"
# In the sandbox: the network configurations, on a file system that is in memory only.
_CONFIGURATIONS = "/run/net.d"
# cnitool keeps its results under /var/lib/cni, and tuning what it has to restore under /run/cni: both become private.
_PREPARE = f"""\
set -eu
mount --bind "$1" {_PLUGINS}
mount -t tmpfs tmpfs /var/lib
mount -t tmpfs tmpfs /run
mkdir {_CONFIGURATIONS}
echo ready
exec cat
"""
_WAIT = "echo ready; exec cat"
# SIOCGIFHWADDR asks the kernel itself; neither iproute2 nor a mounted sysfs is needed.
_READ_ADDRESS = """\
import fcntl, socket, sys
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as any_socket:
    request = sys.argv[1].encode().ljust(40, b"\\0")
    print(fcntl.ioctl(any_socket, 0x8927, request)[18:24].hex(":"))
"""


class SandboxError(Exception):
    """The namespaces could not be made, or a plugin failed."""


class Pod:
    """A network namespace, as a container runtime makes one for a pod."""

    def __init__(self, sandbox: Sandbox, holder: subprocess.Popen[str]) -> None:
        self._sandbox = sandbox
        self._pid = holder.pid

    @property
    def path(self) -> str:
        """The network namespace, as it is given to plugins."""
        return f"/proc/{self._pid}/ns/net"

    def hardware_address(self, interface: str) -> str:
        """The address that the kernel has for an interface.

        Raises:
            SandboxError: the pod has no such interface.
        """
        return self._sandbox.read_address(self._pid, interface)


class Sandbox:
    """A machine of its own, as far as the network goes, with the plugins installed."""

    def __init__(self, plugins: Path) -> None:
        self._plugins = plugins
        self._pid = 0
        self._user: tuple[str, ...] = ()
        self._held = ExitStack()

    def __enter__(self) -> Self:
        self._user = _user_namespace()
        command = ["unshare", *self._user, "--net", "--mount", "sh", "-c", _PREPARE, "sh", str(self._plugins)]
        self._pid = self._held.enter_context(_holding(command)).pid
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._held.close()

    def pod(self) -> Pod:
        """Make an empty network namespace."""
        command = [*self._enter(self._pid), "unshare", "--net", "sh", "-c", _WAIT]
        return Pod(self, self._held.enter_context(_holding(command)))

    def install(self, network: str, configuration: Mapping[str, object]) -> None:
        """Write a network configuration list where cnitool looks for it."""
        self._run("sh", "-c", f'cat > "{_CONFIGURATIONS}/$1.conflist"', "sh", network, text=json.dumps(configuration))

    def cnitool(self, verb: str, network: str, pod: Pod, interface: str, settings: Mapping[str, str]) -> None:
        """Run the plugins of a network for one interface of a pod.

        Args:
            verb: add or del.
            network: the name of an installed configuration.
            pod: where the interface is to be.
            interface: its name.
            settings: environment of cnitool: CAP_ARGS, CNI_ARGS.

        Raises:
            SandboxError: a plugin failed; the message is its own.
        """
        environment = [
            f"CNI_PATH={_PLUGINS}",
            f"NETCONFPATH={_CONFIGURATIONS}",
            f"CNI_IFNAME={interface}",
            *(f"{name}={value}" for name, value in settings.items()),
        ]
        self._run("env", *environment, f"{_PLUGINS}/cnitool", verb, network, pod.path)

    def read_address(self, pid: int, interface: str) -> str:
        """Read an interface's address in the network namespace of a process."""
        # Not in the sandbox's mount namespace: the interpreter may well be under a directory that is hidden there.
        command = [*self._enter(pid, mount=False), sys.executable, "-I", "-c", _READ_ADDRESS, interface]
        return _output(command).strip()

    def _enter(self, pid: int, *, mount: bool = True) -> list[str]:
        spaces = [
            "--net",
            *(["--mount"] if mount else []),
            *(["--user", "--preserve-credentials"] if self._user else []),
        ]
        return ["nsenter", "--target", str(pid), *spaces, "--"]

    def _run(self, *command: str, text: str = "") -> str:
        return _output([*self._enter(self._pid), *command], text)


def _user_namespace() -> tuple[str, ...]:
    """How to become root in a namespace: by a user namespace where there are any, else by being root already."""
    for name in ("unshare", "nsenter"):
        if shutil.which(name) is None:
            message = f"This test needs {name}; install util-linux."
            raise SandboxError(message)
    options = ("--user", "--map-root-user")
    trial = ["unshare", *options, "--net", "--mount", "true"]
    answer = subprocess.run(trial, capture_output=True, text=True, check=False, timeout=STEP_SECONDS)
    if answer.returncode == 0:
        return options
    if os.geteuid() == 0:
        return ()
    message = (
        f"This test makes network namespaces, and this user may not ({answer.stderr.strip()}); "
        "run it as root, or allow user namespaces (sysctl user.max_user_namespaces)."
    )
    raise SandboxError(message)


@contextmanager
def _holding(command: list[str]) -> Iterator[subprocess.Popen[str]]:
    """Run a command that says "ready" and then waits for the end of its input."""
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as holder:
        try:
            if _stream(holder.stdout).readline() != "ready\n":
                message = f"`{' '.join(command[:4])} …` failed: {_stream(holder.stderr).read().strip()}"
                raise SandboxError(message)
            yield holder
        finally:
            _stream(holder.stdin).close()
            holder.wait(STEP_SECONDS)


def _stream(stream: IO[str] | None) -> IO[str]:
    if stream is None:
        message = "Popen was not asked for a pipe"
        raise AssertionError(message)
    return stream


def _output(command: list[str], text: str = "") -> str:
    answer = subprocess.run(command, input=text, capture_output=True, text=True, check=False, timeout=STEP_SECONDS)
    if answer.returncode != 0:
        message = f"{' '.join(command)}: {(answer.stdout + answer.stderr).strip()}"
        raise SandboxError(message)
    return answer.stdout
