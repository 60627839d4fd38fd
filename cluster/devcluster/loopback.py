"""Each cluster's own share of the loopback: a Service range and a block of ports.

Share N is the Service range 127.N.0.0/16 and the block of ports that goes with N. A share is claimed by an abstract
Unix socket that etcd inherits: the kernel knows one holder per network namespace, which is as far as the loopback
reaches, and lets go when the holder dies. Two clusters that start at once therefore never pick the same ports.
The blocks lie below the ephemeral range (32768 and up), so that no outgoing connection takes a port while an API
server is being restarted on it.
"""

from __future__ import annotations

import socket
from typing import TYPE_CHECKING

import msgspec

from devcluster.errors import SettingError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection

FIRST_SHARE = 96
LAST_SHARE = 223
PORTS_PER_SHARE = 64
FIRST_PORT = 22_000
HOST = "127.0.0.1"


class Share(msgspec.Struct, frozen=True):
    """A cluster's part of 127.0.0.0/8."""

    number: int

    @property
    def service_range(self) -> str:
        """The range of the cluster IPs."""
        return f"127.{self.number}.0.0/16"

    @property
    def ports(self) -> range:
        """The ports on 127.0.0.1 that are this cluster's own."""
        first = FIRST_PORT + (self.number - FIRST_SHARE) * PORTS_PER_SHARE
        return range(first, first + PORTS_PER_SHARE)

    @property
    def egress_socket(self) -> str:
        """The abstract Unix socket of the share's egress proxy, as Go writes it."""
        return f"@kubemacpool-devcluster/{self.number}/egress"

    def free_ports(self, count: int, taken: Collection[int] = ()) -> list[int]:
        """Pick ports that nobody listens on and that are not in `taken`.

        Raises:
            SettingError: other programs on this machine listen on nearly all of the block.
        """
        free: list[int] = []
        for port in self.ports:
            if len(free) == count:
                break
            if port not in taken and port_is_free(HOST, port):
                free.append(port)
        if len(free) < count:
            message = (
                f"Of the ports {self.ports[0]} to {self.ports[-1]} on {HOST} only {len(free)} are free and "
                f"{count} are needed; end the programs that listen there."
            )
            raise SettingError(message)
        return free


class Claim:
    """The socket that holds a share for as long as somebody has it open."""

    def __init__(self, share: Share, holder: socket.socket) -> None:
        """Keep the socket open until `release`."""
        self.share = share
        self._holder = holder

    def fileno(self) -> int:
        """Return the descriptor for a process to inherit."""
        return self._holder.fileno()

    def release(self) -> None:
        """Close our side: the share stays claimed while a process that inherited it lives."""
        self._holder.close()


def claim(number: int) -> Claim | None:
    """Claim one share, or return None when another cluster has it."""
    holder = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        holder.bind(f"\0kubemacpool-devcluster/{number}")
    except OSError:
        holder.close()
        return None
    return Claim(Share(number), holder)


def claim_any(first: int = FIRST_SHARE, usable: Callable[[int], bool] = lambda _: True) -> Claim:
    """Claim the first share from `first` on that is usable and that no other cluster has.

    Raises:
        SettingError: every share is taken.
    """
    for number in range(first, LAST_SHARE + 1):
        if usable(number) and (claimed := claim(number)):
            return claimed
    message = f"All Service ranges from 127.{first}.0.0/16 to 127.{LAST_SHARE}.0.0/16 are in use by running clusters."
    raise SettingError(message)


def port_is_free(host: str, port: int) -> bool:
    """Tell whether a server could listen there now, as Go's servers do (with SO_REUSEADDR)."""
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError:
            return False
    return True


def privileged(port: int) -> bool:
    """Tell whether this user may not listen on the port."""
    with socket.socket() as probe:
        try:
            probe.bind((HOST, port))
        except PermissionError:
            return True
        except OSError:
            return False
    return False
