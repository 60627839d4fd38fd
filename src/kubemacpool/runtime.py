"""The ground that the process stands on: its clock, its event loop, and how many files it may open."""

import asyncio
import resource
import socket
import time
from collections.abc import Callable
from typing import Final, NamedTuple, cast

import uvloop

from kubemacpool.server import limits


class MonotonicClock:
    """Seconds since the machine's boot (implements `Clock`); blind to every change of the time of day."""

    def now(self) -> float:
        """Seconds, from CLOCK_BOOTTIME: unlike CLOCK_MONOTONIC it goes on while the machine is suspended.

        A leader that was suspended must know on waking that its Lease has expired.
        """
        return time.clock_gettime(time.CLOCK_BOOTTIME)


class Loop(uvloop.Loop):
    """A loop on which a connection that fails closes its own descriptor and no other.

    Given a connected socket, as aiohttp does, uvloop 0.23 closes its descriptor when the other side resets it or ends
    it before TLS is established, but leaves the socket object believe that it owns that number. Whenever the object is
    collected it closes the number again, and by then it may be that of the watch on the cluster, or of the webhook's
    port: requests fail with "File descriptor 12 is used by transport", or libuv ends the process. Seen while an API
    server was restarted. (MagicStack/uvloop#738 is the same for a connection that was cancelled.)
    """

    async def create_connection(  # type: ignore[override]
        self,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
        *args: object,
        sock: socket.socket | None = None,
        **kwargs: object,
    ) -> tuple[asyncio.Transport, asyncio.BaseProtocol]:
        """Connect, as every loop does; a socket that was passed in is the loop's, also when that fails."""
        connect = cast(
            "Callable[..., asyncio.Future[tuple[asyncio.Transport, asyncio.BaseProtocol]]]", super().create_connection
        )
        try:
            return await connect(protocol_factory, *args, sock=sock, **kwargs)
        except BaseException:
            if sock is not None:
                sock.detach()
            raise


OWN_DESCRIPTORS: Final = 64
"""For what is not a connection to one of our ports: the event loop, logs and libraries (some ten), a watch of each kind
and of ourselves (ten), and the calls to the API server that are under way at once."""

SMALL_PORTS: Final = 2
"""Metrics and probes, with `limits.FEW_CONNECTIONS` each."""

FEWEST_DESCRIPTORS: Final = 256
"""With fewer there would be room for less than a dozen reviews at a time."""

BACKLOG_DIVISOR: Final = 8
"""What waits to be accepted is accepted in one go before anybody is sent away for it: that much beside the bound."""


class DescriptorsError(Exception):
    """There are too few; the message says how many, and what to do."""


class Room(NamedTuple):
    """What the webhook's port may take.

    Attributes:
        descriptors: how many files and connections the process may have open.
        connections: how many of them may be clients of the webhook.
        backlog: how many of those may wait to be accepted.
    """

    descriptors: int
    connections: int
    backlog: int


def raise_limit() -> int:
    """Let the process have as many files open as it may allow itself; gives their number.

    The lower limit is there for programs that use select(2); containers commonly get 1,024 of a million.
    """
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return hard


def room_in(descriptors: int) -> Room:
    """What the webhook's port may take of so many descriptors.

    Half of what is left beside ourselves: each review that is handed to another replica needs a connection there.

    Raises:
        DescriptorsError: there are fewer than `FEWEST_DESCRIPTORS`.
    """
    if descriptors < FEWEST_DESCRIPTORS:
        raise DescriptorsError(
            f"the limit of open files (ulimit -n) is {descriptors}; at least {FEWEST_DESCRIPTORS} are needed, "
            f"and {_needed_for(limits.MAX_CONNECTIONS)} to serve as many clients at once as there may be"
        )
    backlog = min(limits.BACKLOG, descriptors // BACKLOG_DIVISOR)
    left = descriptors - OWN_DESCRIPTORS - SMALL_PORTS * limits.FEW_CONNECTIONS - backlog
    return Room(descriptors, min(limits.MAX_CONNECTIONS, left // 2), backlog)


def _needed_for(connections: int) -> int:
    return OWN_DESCRIPTORS + SMALL_PORTS * limits.FEW_CONNECTIONS + limits.BACKLOG + 2 * connections
